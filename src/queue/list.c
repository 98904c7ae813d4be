/* Reads the folders, never a message. */
#include "queue/list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct list_entry *)a)->id, ((const struct list_entry *)b)->id);
}

static void add(struct list *list, const char *id)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 256;
        list->entries = memory_resize(list->entries, list->capacity * sizeof *list->entries);
    }
    struct list_entry *entry = &list->entries[list->count++];
    *entry = (struct list_entry){0};
    snprintf(entry->id, sizeof entry->id, "%s", id);
}

/* The names in a folder that are ids; anything else is not ours. */
static struct outcome read_names(int folder, struct list *list)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (!stream) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return outcome_errno(error, "cannot list the queue");
    }
    struct dirent *name;
    errno = 0;
    while ((name = readdir(stream)) != NULL)
        if (queue_is_id(name->d_name))
            add(list, name->d_name);
    struct outcome outcome = errno ? outcome_errno(errno, "cannot list the queue") : outcome_done();
    closedir(stream);
    if (list->count)
        qsort(list->entries, list->count, sizeof *list->entries, by_id);
    return outcome;
}

struct outcome list_read(const struct queue *queue, struct list *list)
{
    struct list journals = {0};
    *list = (struct list){0};
    /* The journals first: one that appears in between belongs to a message in the second list. */
    struct outcome outcome = read_names(queue->journal, &journals);
    if (outcome_good(&outcome))
        outcome = read_names(queue->spool, list);
    for (size_t i = 0, j = 0; outcome_good(&outcome) && i < list->count; i++) {
        struct list_entry *entry = &list->entries[i];
        while (j < journals.count && strcmp(journals.entries[j].id, entry->id) < 0)
            j++;
        struct stat info;
        if (j < journals.count && strcmp(journals.entries[j].id, entry->id) == 0 &&
            fstatat(queue->journal, entry->id, &info, AT_SYMLINK_NOFOLLOW) == 0)
            entry->due = info.st_mtime;
    }
    list_free(&journals);
    return outcome;
}

void list_free(struct list *list)
{
    free(list->entries);
    *list = (struct list){0};
}

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

#include "base/clock.h"
#include "base/memory.h"
#include "queue/letter.h"

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct list_entry *)a)->id, ((const struct list_entry *)b)->id);
}

void list_add(struct list *list, const char *id)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 16;
        list->entries = memory_resize(list->entries, list->capacity * sizeof *list->entries);
    }
    struct list_entry *entry = &list->entries[list->count++];
    *entry = (struct list_entry){0};
    snprintf(entry->id, sizeof entry->id, "%s", id);
}

void list_append(struct list *list, const struct list *more)
{
    for (size_t i = 0; i < more->count; i++)
        list_add(list, more->entries[i].id);
}

struct outcome list_folder(int folder, struct list *list)
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
            list_add(list, name->d_name);
        else if (name->d_name[0] == '.' && queue_is_id(name->d_name + 1))
            list->rubbish = true;
    struct outcome outcome = errno ? outcome_errno(errno, "cannot list the queue") : outcome_done();
    closedir(stream);
    if (list->count)
        qsort(list->entries, list->count, sizeof *list->entries, by_id);
    return outcome;
}

static void match_journals(const struct queue *queue, struct list *list,
                           const struct list *journals)
{
    size_t j = 0, matched = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct list_entry *entry = &list->entries[i];
        while (j < journals->count && strcmp(journals->entries[j].id, entry->id) < 0)
            j++;
        struct stat info;
        if (j == journals->count || strcmp(journals->entries[j].id, entry->id) != 0)
            continue;
        matched++;
        if (fstatat(queue->journal, entry->id, &info, AT_SYMLINK_NOFOLLOW) == 0)
            entry->due = info.st_mtime;
    }
    if (matched < journals->count)
        list->rubbish = true;
}

struct outcome list_read(const struct queue *queue, struct list *list)
{
    struct list journals = {0};
    *list = (struct list){0};
    /* The journals first: one that appears in between belongs to a message in the second list. */
    struct outcome outcome = list_folder(queue->journal, &journals);
    if (outcome_good(&outcome))
        outcome = list_folder(queue->spool, list);
    if (outcome_good(&outcome))
        match_journals(queue, list, &journals);
    list_free(&journals);
    return outcome;
}

bool list_is_due(const struct list_entry *entry, uint64_t longest_wait)
{
    time_t now = clock_now();
    return entry->due <= now ||
           (entry->due < LETTER_HELD_UNTIL && entry->due > now + (time_t)(2 * longest_wait));
}

struct outcome list_count_due(const struct queue *queue, uint64_t longest_wait, size_t *count)
{
    struct list list;
    struct outcome outcome = list_read(queue, &list);
    *count = 0;
    for (size_t i = 0; outcome_good(&outcome) && i < list.count; i++)
        *count += list_is_due(&list.entries[i], longest_wait);
    list_free(&list);
    return outcome;
}

void list_sort(struct list *list)
{
    size_t kept = 0;
    if (list->count)
        qsort(list->entries, list->count, sizeof *list->entries, by_id);
    for (size_t i = 0; i < list->count; i++)
        if (kept == 0 || strcmp(list->entries[kept - 1].id, list->entries[i].id) != 0)
            list->entries[kept++] = list->entries[i];
    list->count = kept;
}

const struct list_entry *list_find(const struct list *sorted, const char *id)
{
    struct list_entry key = {0};
    snprintf(key.id, sizeof key.id, "%s", id);
    return sorted->count
               ? bsearch(&key, sorted->entries, sorted->count, sizeof *sorted->entries, by_id)
               : NULL;
}

void list_free(struct list *list)
{
    free(list->entries);
    *list = (struct list){0};
}

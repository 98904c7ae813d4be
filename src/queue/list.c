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

/* Tells each name of a folder that is an id; *drafts, if not NULL: there are ids behind a dot. */
static struct outcome each_id(int folder, void (*take)(void *context, const char *id),
                              void *context, bool *drafts)
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
    while ((name = readdir(stream)) != NULL) {
        if (queue_is_id(name->d_name))
            take(context, name->d_name);
        else if (drafts && name->d_name[0] == '.' && queue_is_id(name->d_name + 1))
            *drafts = true;
        errno = 0;
    }
    struct outcome outcome = errno ? outcome_errno(errno, "cannot list the queue") : outcome_done();
    closedir(stream);
    return outcome;
}

static void take_id(void *context, const char *id)
{
    list_add(context, id);
}

struct outcome list_folder(int folder, struct list *list)
{
    struct outcome outcome = each_id(folder, take_id, list, &list->rubbish);
    list_sort(list);
    return outcome;
}

/* ---- messages and their times ---- */

/* What is made of a message's id and the time at which it is due. */
struct scan {
    void (*take)(struct scan *scan, const struct list_entry *entry);
    const struct queue *queue;
    size_t journals, matched;
    const struct list_wish *wish;
    struct list *list;
    uint64_t longest_wait;
    size_t due; /* counted */
};

static void count_journal(void *context, const char *id)
{
    (void)id;
    ((struct scan *)context)->journals++;
}

static void take_message(void *context, const char *id)
{
    struct scan *scan = context;
    struct list_entry entry = {0};
    struct stat info;
    snprintf(entry.id, sizeof entry.id, "%s", id);
    if (scan->journals && fstatat(scan->queue->journal, id, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        scan->matched++;
        entry.due = info.st_mtime;
    }
    scan->take(scan, &entry);
}

/* A journal that appears while this goes on belongs to a message that counts as due at once, or to
 * one with the time that it has. */
static struct outcome scan_queue(struct scan *scan, bool *rubbish)
{
    struct outcome outcome = each_id(scan->queue->journal, count_journal, scan, NULL);
    if (outcome_good(&outcome))
        outcome = each_id(scan->queue->spool, take_message, scan, rubbish);
    *rubbish = *rubbish || scan->matched < scan->journals;
    return outcome;
}

static void take_any(struct scan *scan, const struct list_entry *entry)
{
    list_add(scan->list, entry->id);
    scan->list->entries[scan->list->count - 1].due = entry->due;
}

struct outcome list_read(const struct queue *queue, struct list *list)
{
    struct scan scan = {.take = take_any, .queue = queue, .list = list};
    *list = (struct list){0};
    struct outcome outcome = scan_queue(&scan, &list->rubbish);
    list_sort(list);
    return outcome;
}

/* Leaves the oldest and the oldest new ones, in the order of ids. */
static void shorten(struct list *list, const struct list_wish *wish)
{
    size_t old = 0;
    list_sort(list);
    while (old < list->count && strcmp(list->entries[old].id, wish->since) < 0)
        old++;
    size_t kept = old < wish->most ? old : wish->most, new = list->count - old;
    size_t kept_new = new < wish->most_new ? new : wish->most_new;
    if (kept < old && kept_new)
        memmove(list->entries + kept, list->entries + old, kept_new * sizeof *list->entries);
    list->more = list->more || kept < old || kept_new < new;
    list->count = kept + kept_new;
}

static void take_due(struct scan *scan, const struct list_entry *entry)
{
    const struct list_wish *wish = scan->wish;
    if (list_find(wish->taken, entry->id))
        return;
    if (!list_is_due(entry, wish->longest_wait)) {
        scan->list->later = true;
        return;
    }
    list_add(scan->list, entry->id);
    if (scan->list->count >= 2 * (wish->most + wish->most_new))
        shorten(scan->list, wish);
}

struct outcome list_read_due(const struct queue *queue, const struct list_wish *wish,
                             struct list *list)
{
    struct scan scan = {.take = take_due, .queue = queue, .wish = wish, .list = list};
    *list = (struct list){0};
    struct outcome outcome = scan_queue(&scan, &list->rubbish);
    shorten(list, wish);
    return outcome;
}

bool list_is_due(const struct list_entry *entry, uint64_t longest_wait)
{
    time_t now = clock_now();
    return entry->due <= now ||
           (entry->due < LETTER_HELD_UNTIL && entry->due > now + (time_t)(2 * longest_wait));
}

static void count_due(struct scan *scan, const struct list_entry *entry)
{
    scan->due += list_is_due(entry, scan->longest_wait);
}

struct outcome list_count_due(const struct queue *queue, uint64_t longest_wait, size_t *count)
{
    struct scan scan = {.take = count_due, .queue = queue, .longest_wait = longest_wait};
    bool rubbish = false;
    struct outcome outcome = scan_queue(&scan, &rubbish);
    *count = scan.due;
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

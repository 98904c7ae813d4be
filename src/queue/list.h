/* What is in the queue, from the folders' listings and file times alone. */
#ifndef QUEUE_LIST_H
#define QUEUE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/outcome.h"
#include "queue/queue.h"

struct list_entry {
    char id[QUEUE_ID_SIZE];
    time_t due; /* 0: has no journal, due at once */
};

struct list {
    struct list_entry *entries; /* by id, which is by age */
    size_t count;
    size_t capacity;
    bool rubbish; /* there are journals or drafts without a message: letter_sweep is worth it */
    bool later;   /* of list_read_due: there are messages that are not due */
    bool more;    /* likewise: others are due */
};

/* Every message of the queue; the caller frees. */
struct outcome list_read(const struct queue *queue, struct list *list);
/* Which of those that are due. */
struct list_wish {
    uint64_t longest_wait;    /* see list_is_due */
    const struct list *taken; /* not these; sorted */
    size_t most;              /* so many of the oldest */
    size_t most_new;          /* and of those with an id from .since on, whatever .most is */
    const char *since;
};

/*
 * Of those that are due (see list_is_due) the ones that are wished for; the caller frees. However
 * long the queue is, memory is that of twice as many.
 */
struct outcome list_read_due(const struct queue *queue, const struct list_wish *wish,
                             struct list *list);
/*
 * Whether it is to be tried by now. A time further ahead than twice the longest wait, in seconds,
 * was set by a clock that has been put back since.
 */
bool list_is_due(const struct list_entry *entry, uint64_t longest_wait);
/* How many messages are. */
struct outcome list_count_due(const struct queue *queue, uint64_t longest_wait, size_t *count);
/* The names in one of the queue's folders that are ids; anything else in it is not ours. */
struct outcome list_folder(int folder, struct list *list);
/* Adds an id at the end; all ids of another list. */
void list_add(struct list *list, const char *id);
void list_append(struct list *list, const struct list *more);
/* Brings it into the order of ids and takes out what is there twice. */
void list_sort(struct list *list);
/* The entry of an id in a list that is in that order; NULL: it has none. */
const struct list_entry *list_find(const struct list *sorted, const char *id);
void list_free(struct list *list);

#endif

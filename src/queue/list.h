/* What is in the queue, from the folders' listings and file times alone. */
#ifndef QUEUE_LIST_H
#define QUEUE_LIST_H

#include <stddef.h>
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
};

/* Every message of the queue; the caller frees. */
struct outcome list_read(const struct queue *queue, struct list *list);
void list_free(struct list *list);

#endif

/*
 * Next hops that are down: one that could not be used is left alone for a while, whatever the
 * number of messages that wait for it, and over queue runs and processes.
 */
#ifndef QUEUE_HOP_H
#define QUEUE_HOP_H

#include <stdint.h>
#include <time.h>

#include "base/outcome.h"
#include "queue/queue.h"

enum { HOP_LONGEST_PAUSE = 3600 /* seconds */ };

struct hop_state {
    time_t until; /* not to be tried before; 0: it is not known to be down */
    unsigned failures;
    char status[12];
    char reason[512];
};

/* What is known of a next hop; all zero when nothing is. */
void hop_read(const struct queue *queue, const char *name, struct hop_state *state);
/* It could not be used: it is down for wait seconds from now, HOP_LONGEST_PAUSE at the most. */
void hop_failed(const struct queue *queue, const char *name, const struct outcome *why,
                uint64_t wait);
/* It works. */
void hop_works(const struct queue *queue, const char *name);

#endif

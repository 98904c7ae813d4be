/*
 * How much a next hop may get, whoever brings it: sessions at once, and messages in a time. Both
 * hold over queue runs and processes, and a process that is killed leaves nothing that would let
 * the next ones do more.
 */
#ifndef QUEUE_LIMIT_H
#define QUEUE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/outcome.h"
#include "queue/queue.h"

/*
 * Waits until fewer than so many processes hold a seat at this next hop, and takes one; it is held
 * until the descriptor is closed. *waited: somebody else was at it before. LATER when the lock file
 * cannot be used; *fd is -1 then.
 */
struct outcome limit_enter(const struct queue *queue, const char *hop, unsigned seats, int *fd,
                           bool *waited);

/* Now, by both clocks and the name of this boot, within which .running never jumps. */
struct limit_clock {
    int64_t wall;    /* milliseconds since 1970 */
    int64_t running; /* milliseconds since the boot, sleep included */
    char boot[40];
};

/* Never more than so many messages within any so many seconds. */
struct limit_rate {
    unsigned count;
    unsigned seconds;
};

/*
 * Whether one more message may go to this next hop now: *wait_ms is 0 then, else the time until it
 * may. take: it goes, and that is on stable storage before this returns. now: for tests; NULL: it
 * is read from the clocks. LATER when it cannot be told.
 */
struct outcome limit_ask(const struct queue *queue, const char *hop, const struct limit_rate *rate,
                         const struct limit_clock *now, bool take, int64_t *wait_ms);

#endif

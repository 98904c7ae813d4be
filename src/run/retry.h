/*
 * When a message is tried again, and for how long: the schedule of `retry` and `lifetime`, those of
 * the installation or of the recipient's route.
 */
#ifndef RUN_RETRY_H
#define RUN_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/letter.h"
#include "route/route.h"
#include "run/run.h"

/* Seconds from one try to the next, after so many; route: the recipient's, or NULL. */
uint64_t retry_wait(const struct run *run, const struct route *route, unsigned tries);
/* Up to a tenth more or less, so that what failed together does not come back together. */
uint64_t retry_jitter(uint64_t seconds);
/* Seconds for which a next hop that has failed so often is left alone. */
uint64_t retry_pause(const struct run *run, const struct hop *hop);
/* Seconds for which a recipient is tried before it is given up. */
uint64_t retry_lifetime(const struct run *run, const struct letter *letter, size_t index);
/*
 * Whether it is to be given up: too old, and tried as often as the schedule has steps. A clock that
 * jumped ahead, or a machine that was off for a week, gives nothing up at the first failure. What
 * is held waits for people.
 */
bool retry_is_over(const struct run *run, const struct letter *letter, size_t index);

#endif

/*
 * Greylisting: a stranger's first try is told to come again; who does after a while is known from
 * then on, and a client that has proved itself often enough is not asked again. The memory is a
 * btree of libdb in the queue's folder filter/, shared by all sessions.
 */
#ifndef FILTER_GREYLIST_H
#define FILTER_GREYLIST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include "base/outcome.h"

struct greylist_rules {
    uint64_t delay, window, lifetime; /* seconds */
};

/* A client counts by its /24 or /64. */
struct greylist_question {
    const struct sockaddr *client;
    const char *sender, *recipient; /* addresses; "" for the null path */
    time_t now;
};

/*
 * DONE: it may be taken; LATER (4.7.1): not yet. When the memory cannot be used, that is logged,
 * and mail goes on. folder: that of the memory, which must exist.
 */
struct outcome greylist_check(const char *folder, const struct greylist_rules *rules,
                              const struct greylist_question *question);

#endif

/*
 * Next hops that are left alone for a while, whatever the number of messages that wait for them,
 * and over queue runs and processes: those that could not be used, and those that have had what
 * their rate allows.
 */
#ifndef QUEUE_HOP_H
#define QUEUE_HOP_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/outcome.h"
#include "base/text.h"
#include "queue/queue.h"

enum { HOP_FILE_NAME = 200 }; /* bytes, with the NUL */

struct hop_state {
    time_t until;      /* not to be tried before; 0: it is not known to be down */
    unsigned failures; /* 0 with a time until then: it pauses, and has done nothing wrong */
    char status[12];
    char reason[512];
};

/* What is known of a next hop; all zero when nothing is. A pause that was set in the future, by a
 * clock that has been put back since, is over. */
void hop_read(const struct queue *queue, const char *name, struct hop_state *state);
/* It could not be used: it is down until wait seconds from now. */
void hop_failed(const struct queue *queue, const char *name, const struct outcome *why,
                uint64_t wait);
/* It has had all that it may have for now: it pauses for so long. That is no failure of it. */
void hop_pause(const struct queue *queue, const char *name, const struct outcome *why,
               uint64_t wait);
/* It may be tried again if it failed before that time, when the settings were changed. A pause goes
 * on. */
void hop_forgive(const struct queue *queue, const char *name, time_t before);
/* It works, which is noted; once a session is enough. A pause goes on. */
void hop_works(const struct queue *queue, const char *name);
/* It ended a session with several messages under way, which is noted, but not of MX hosts. */
void hop_was_abrupt(const struct queue *queue, const char *name);
/* Whether it did in the last week: then messages go there one at a time. */
bool hop_is_abrupt(const struct queue *queue, const char *name);
/* What people want to know of it; times in seconds since 1970, 0: never, or long ago. */
struct hop_history {
    time_t worked; /* the last time */
    time_t failed; /* likewise; it has worked since unless .state.failures says otherwise */
    struct hop_state state;
    char status[12]; /* of the last failure */
    char reason[512];
};

/* All zero when nothing is known of it. */
void hop_read_history(const struct queue *queue, const char *name, struct hop_history *history);
/* Adds the names of all next hops that something is known of, in the form of their files. */
void hop_list(const struct queue *queue, struct texts *names);
/* Whether it pauses, and is not down. */
bool hop_is_pausing(const struct hop_state *state);
/* The name of a file about this next hop in hops/, "KIND-NAME" made fit for a path. */
void hop_file_name(const char *kind, const char *name, char path[HOP_FILE_NAME]);

#endif

/*
 * What people want done with messages of the queue: the rights to it, and the doing. The ids come
 * on standard input, one a line; what became of each goes to standard output when it is done, else
 * to standard error.
 */
#ifndef RUN_CONTROL_H
#define RUN_CONTROL_H

#include <stdbool.h>
#include <sys/types.h>

#include "run/run.h"

enum control_action {
    CONTROL_RETRY,   /* tried now, see run_letters */
    CONTROL_FETCH,   /* the same, and what only a route holds is released */
    CONTROL_HOLD,    /* not delivered and not given up until it is released */
    CONTROL_RELEASE, /* due now; routes that hold do not count any more */
    CONTROL_DELETE,  /* out of the queue, and nobody hears of it */
    CONTROL_BOUNCE   /* given up: its sender gets the report */
};

/* "--hold" and so on; false: it is none of these. */
bool control_find(const char *option, enum control_action *action);
/* Whether this user may do everything: root, and the user whose queue it is. */
bool control_is_master(uid_t caller);

struct control_order {
    enum control_action action;
    uid_t caller;
    bool json;   /* what was done with each is told as an object */
    bool chosen; /* nobody named the messages: one that has left the queue meanwhile is no matter */
};

/*
 * Does it with each message on standard input that the caller may command: anyone those that he
 * submitted, as the owner of the file says. EX_OK if all was done, else EX_NOINPUT (not there),
 * EX_NOPERM, EX_DATAERR (no id), EX_IOERR (standard input), EX_TEMPFAIL.
 */
int control_run(struct run *run, const struct control_order *order);
/* Delivers one message that was just submitted, in silence. EX_OK, EX_NOINPUT, EX_NOPERM. */
int control_run_letter(struct run *run, const char *id, uid_t caller);

#endif

/* Verbs whose work is done by another program of ours, which links what the front door must not. */
#ifndef SENDMAIL_HANDOVER_H
#define SENDMAIL_HANDOVER_H

#include "base/outcome.h"

/*
 * The program argv[0] takes the place of this process, with the caller's own rights: the group that
 * we were given is for the queue. argv ends with NULL. Comes back with a failure alone.
 */
struct outcome hand_over(const char *const argv[]);

/* A verb that another program does, about one thing. */
struct handed_verb {
    const char *program;
    unsigned allowed;   /* enum verb_option, or-ed */
    const char *wanted; /* its one argument, in words */
};

/* argv begins with the verb. Comes back with a failure alone. */
struct outcome hand_over_verb(int argc, char *const argv[], const struct handed_verb *verb);

#endif

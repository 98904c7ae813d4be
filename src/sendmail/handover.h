/* Verbs whose work is done by another program of ours, which links what the front door must not. */
#ifndef SENDMAIL_HANDOVER_H
#define SENDMAIL_HANDOVER_H

#include <stdbool.h>

#include "base/outcome.h"
#include "base/text.h"

/*
 * The program argv[0] takes the place of this process, with the caller's own rights: the group that
 * we were given is for the queue. argv ends with NULL. Comes back with a failure alone.
 */
struct outcome hand_over(const char *const argv[]);
/* The same with words of a list, the program first. */
struct outcome hand_over_words(const struct texts *words);

/* A verb that another program does, about something. */
struct handed_verb {
    const char *program;
    unsigned allowed;   /* enum verb_option, or-ed */
    const char *wanted; /* its argument, in words */
    bool many;          /* or several of these */
};

/* argv begins with the verb. Comes back with a failure alone. */
struct outcome hand_over_verb(int argc, char *const argv[], const struct handed_verb *verb);

#endif

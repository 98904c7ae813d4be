/*
 * The commands of postrider: the one table by which they are found, told and explained. Knows
 * nothing of what they do.
 */
#ifndef SENDMAIL_VERBS_H
#define SENDMAIL_VERBS_H

#include <stdbool.h>

#include "base/outcome.h"

/* In the order in which they are told. */
enum verb_group {
    GROUP_QUEUE,
    GROUP_ORDER, /* that all is set up as it should be */
    GROUP_LISTEN,
    GROUP_NAMES, /* no commands, but other names of the program */
    GROUPS
};

/* One of the ways to write it, and what comes of that. */
struct verb_form {
    const char *arguments; /* NULL: no more of them */
    const char *summary;
};

struct verb {
    const char *name;
    enum verb_group group;
    const char *summary;
    struct outcome (*run)(int argc, char *const argv[]); /* argv begins with the verb */
    const struct verb_form *forms;
    const char *example;
};

/* The table; its end has no name. */
const struct verb *verbs_all(void);
/* NULL: there is none. Names of the program count if names is set. */
const struct verb *verbs_find(const char *name, bool names);
/* Does what argv says, which begins with the verb; also "help". EX_USAGE: there is no such. */
struct outcome verbs_run(int argc, char *const argv[]);

#endif

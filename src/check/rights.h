/* Whose a file or folder is, and what may be done with it, beside what should be. */
#ifndef CHECK_RIGHTS_H
#define CHECK_RIGHTS_H

#include <stdbool.h>
#include <sys/types.h>

#include "check/finding.h"

/* The user and group that an installed queue belongs to. */
struct account {
    uid_t uid;
    gid_t gid;
};

/* False, and a fault: there is no such user. */
bool account_find(struct account *account, struct findings *findings);

struct rights {
    const char *path;
    const char *topic; /* of what is found */
    const char *else_; /* what comes of it otherwise, in words */
    bool is_folder;
    bool is_ours;    /* belongs to the account; else to root */
    bool of_group;   /* the account's group; else whatever group it is */
    mode_t must;     /* bits that it has to have, set-ID bits among them */
    mode_t may;      /* and those that it may have */
    mode_t ordinary; /* the mode that make install gives it, for the remedy */
};

/* Adds a fault, or a warning where it could do no harm, with a remedy, and gives false; true: all
 * is as it should be, and nothing was added. What the caller may not look at is no finding. */
bool rights_check(const struct rights *rights, const struct account *account,
                  struct findings *findings);

/* The text as a word of a shell's command line, in quotes if need be; the caller frees. */
char *shell_word(const char *text);

#endif

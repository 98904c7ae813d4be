/* Giving privileges up, for good, with a look that they are gone. */
#ifndef BASE_PRIVILEGE_H
#define BASE_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/outcome.h"

/* Drops what a set-group-ID bit gave: all group ids are the real one from here on. */
struct outcome privilege_drop_group(void);
/*
 * Becomes this user of the user table, with its group alone, and looks that root does not come
 * back. EX_OSERR, EX_NOPERM.
 */
struct outcome privilege_become(const char *user);
/*
 * Gives every capability up, for this process and all that it becomes: what is left to root then is
 * what any user may do with his own files. Needs no_new_privs against programs that would bring
 * them back.
 */
struct outcome privilege_drop_capabilities(void);
/* Whether the program got a group that its caller does not have. */
bool privilege_has_group(void);
/* Whether no_new_privs keeps set-ID bits from working. */
bool privilege_is_barred(void);

#endif

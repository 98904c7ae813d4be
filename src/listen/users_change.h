/* Changing the users file: one user put in or taken out, everything else in it left as it is. */
#ifndef LISTEN_USERS_CHANGE_H
#define LISTEN_USERS_CHANGE_H

#include <stdbool.h>

#include "base/outcome.h"

/*
 * Gives the user (a prepared name) this prepared password, as a hash and a verifier; whoever was
 * locked is no more. The file is made when it is missing, and replaced in one rename, on stable
 * storage when this returns. installed: it will be read by the user postrider, through the group;
 * otherwise by its owner alone. EX_CONFIG with "path:line: what" for a file that has a fault, which
 * stays as it was.
 */
struct outcome users_put(const char *path, bool installed, const char *name, const char *password);
/* Takes the user out. EX_NOUSER when there is none. */
struct outcome users_delete(const char *path, bool installed, const char *name);

#endif

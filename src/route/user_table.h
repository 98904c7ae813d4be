/* Who has a mailbox on this machine, as the user table says. */
#ifndef ROUTE_USER_TABLE_H
#define ROUTE_USER_TABLE_H

#include <stdbool.h>

#include "base/outcome.h"

/*
 * The user of this name, in the table's spelling, which the caller frees; letters' case is the
 * caller's affair (lookup.h). own: for a queue of one's own, where nobody else's mailbox can be
 * written. DONE, NEVER (5.1.1), or LATER when the table cannot be read.
 */
struct outcome user_table_find(const char *name, bool own, char **canonical);

#endif

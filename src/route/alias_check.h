/* What newaliases finds in a file besides its form: targets, lists, circles. */
#ifndef ROUTE_ALIAS_CHECK_H
#define ROUTE_ALIAS_CHECK_H

#include "base/outcome.h"
#include "config/settings.h"
#include "route/alias_table.h"

/*
 * Whether every target is one, every :include: can be read and no alias leads back to itself by
 * way of another one of this file. path is for the words. LATER (4.3.5), "path:line: why". Files
 * and commands that would be refused at delivery are said in the log, and are no error.
 */
struct outcome alias_check(const struct alias_table *table, const char *path,
                           const struct settings *settings, struct texts *warnings);

#endif

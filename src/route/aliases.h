/*
 * The alias files: text in the sendmail format and the Berkeley DB beside each ("FILE.db"). When
 * the text is newer than the database, lookups read the text and say so in the log.
 */
#ifndef ROUTE_ALIASES_H
#define ROUTE_ALIASES_H

#include <stdbool.h>

#include "base/bar.h"
#include "base/buffer.h"
#include "base/outcome.h"
#include "base/text.h"
#include "config/settings.h"

struct aliases; /* opened tables; belongs to one process */

/*
 * Opens the files; one that does not exist is empty (unless its database does), one that cannot be
 * read, or has a line that is no alias, is LATER (4.3.5). Of a key that comes twice the first
 * counts. *aliases is NULL after an error.
 */
struct outcome aliases_open(const struct texts *files, struct aliases **aliases);
/*
 * Looks a key up ("name", "user@domain", "@domain"; case does not count), file after file. Adds
 * its targets, as written, to the list. *found says whether the key exists. LATER: the table
 * cannot be read now.
 */
struct outcome aliases_find(const struct aliases *aliases, const char *key, struct texts *targets,
                            bool *found);
/* Where the text has a key: "file:line" behind the buffer, for words. Reads the text anew. */
void aliases_place(const struct aliases *aliases, const char *key, struct buffer *place);
/* NULL is allowed. */
void aliases_close(struct aliases *aliases);

/*
 * newaliases: checks a text file, its targets, its lists and that nothing runs in a circle, and
 * writes FILE.db in one rename; *count is the number of aliases. On any error (file:line in the
 * reason) the old database stays as it is. What the settings
 * do not allow is a line each in the warnings. bar: drawn while many are written; NULL: none.
 */
struct outcome aliases_build(const char *file, const struct settings *settings, struct bar *bar,
                             size_t *count, struct texts *warnings);

/*
 * What newaliases would say of a file, which must be there, without writing anything. Adds the keys
 * to the list. *why: why lookups do not use FILE.db, in static words; NULL: they do, or there is
 * none.
 */
struct outcome aliases_check(const char *file, const struct settings *settings, struct texts *keys,
                             struct texts *warnings, const char **why);

#endif

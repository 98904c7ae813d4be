/*
 * The Berkeley DB hash beside a text file of aliases: keys and values as sendmail writes them, with
 * their NUL, so that its tools can read it; and one entry more, that says from which state of the
 * text it was made. The only file that knows libdb, which is kept from reading DB_CONFIG in the
 * present folder, the environment, and from writing temporary files: the reader may have the
 * privilege of a group that its caller has not.
 */
#ifndef ROUTE_ALIAS_DB_H
#define ROUTE_ALIAS_DB_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/bar.h"
#include "base/buffer.h"
#include "base/outcome.h"
#include "route/alias_table.h"

struct alias_db;

/*
 * Writes all of the table into a new file that then takes the name path: readers see the old one
 * or the new one, and after an error the old one stays. source: the state of the text before it was
 * read. bar: drawn while there are many to write; NULL: none. LATER, EX_CANTCREAT or the like.
 */
struct outcome alias_db_write(const char *path, const struct stat *source,
                              const struct alias_table *table, struct bar *bar);

/*
 * Opens a database made from this state of the text (NULL: whatever it was). NULL with *why in
 * static words when it cannot be used; *why is NULL when it is not there at all.
 */
struct alias_db *alias_db_open(const char *path, const struct stat *source, const char **why);
/* Puts the value of a key behind the buffer. False: the database is damaged. */
bool alias_db_find(struct alias_db *db, const char *key, struct buffer *value, bool *found);
void alias_db_close(struct alias_db *db);

#endif

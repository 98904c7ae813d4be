/* All aliases of one text file, in memory. */
#ifndef ROUTE_ALIAS_TABLE_H
#define ROUTE_ALIAS_TABLE_H

#include <stdbool.h>

#include "base/outcome.h"
#include "route/names.h"

struct alias_entry {
    char *value; /* the targets as written */
    unsigned line;
};

/* Zero-initialise it. */
struct alias_table {
    struct names keys;
    struct alias_entry *entries; /* by the places of the keys */
    size_t capacity;
};

/*
 * Adds what is in an open file. A key that comes twice is an error that names both lines when
 * strict; else the first one counts, and the log says so. LATER (4.3.5) with path:line.
 */
struct outcome alias_table_read(struct alias_table *table, int fd, const char *path, bool strict);
/* NULL: there is no such key. */
const struct alias_entry *alias_table_find(const struct alias_table *table, const char *key);
void alias_table_free(struct alias_table *table);

#endif

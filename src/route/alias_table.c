/* Aliases in memory (see alias_table.h). */
#include "route/alias_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "route/alias_text.h"

struct filling {
    struct alias_table *table;
    const char *path;
    bool strict;
};

static struct outcome take(void *context, const struct alias *alias)
{
    struct filling *filling = context;
    struct alias_table *table = filling->table;
    bool added;
    size_t place = names_add(&table->keys, alias->key, &added);
    if (!added && filling->strict) {
        char why[256];
        snprintf(why, sizeof why, "%.100s is an alias already in line %u: join the two lines",
                 alias->key, table->entries[place].line);
        return alias_fault(filling->path, alias->line, why);
    }
    if (!added) {
        log_notice("%s:%u: %s is an alias already in line %u, which counts", filling->path,
                   alias->line, alias->key, table->entries[place].line);
        return outcome_done();
    }
    if (place >= table->capacity) {
        table->capacity = table->keys.capacity;
        table->entries = memory_resize(table->entries, table->capacity * sizeof *table->entries);
    }
    table->entries[place] = (struct alias_entry){
        .value = memory_copy(alias->value, strlen(alias->value)), .line = alias->line};
    return outcome_done();
}

struct outcome alias_table_read(struct alias_table *table, int fd, const char *path, bool strict)
{
    struct filling filling = {table, path, strict};
    return alias_text_read(fd, path, take, &filling);
}

const struct alias_entry *alias_table_find(const struct alias_table *table, const char *key)
{
    size_t place;
    return names_find(&table->keys, key, &place) ? &table->entries[place] : NULL;
}

void alias_table_free(struct alias_table *table)
{
    for (size_t i = 0; i < table->keys.count; i++)
        free(table->entries[i].value);
    free(table->entries);
    names_free(&table->keys);
    *table = (struct alias_table){0};
}

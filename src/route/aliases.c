/*
 * Which form of an alias file is read, text or database, and what happens when one of them is
 * missing or out of date. The text always has the last word.
 */
#include "route/aliases.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "route/alias_check.h"
#include "route/alias_db.h"
#include "route/alias_table.h"
#include "route/alias_text.h"

/* One file: either the database or the table; neither when the file does not exist. */
struct alias_file {
    char *path;
    struct alias_db *db;
    struct alias_table *table;
};

struct aliases {
    struct alias_file *files;
    size_t count;
};

static char *db_path(const char *path)
{
    struct buffer name = {0};
    buffer_format(&name, "%s.db", path);
    return buffer_take(&name);
}

/* Opens a text. *fd is -1 with a good outcome when there is none. */
static struct outcome open_text(const char *path, int *fd, struct stat *status)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd < 0 && errno == ENOENT)
        return outcome_done();
    struct outcome outcome = outcome_done();
    if (*fd < 0 || fstat(*fd, status) < 0)
        outcome = outcome_errno(errno, "cannot read the aliases %s", path);
    else if (!S_ISREG(status->st_mode))
        outcome = outcome_later("4.3.5", "the aliases %s are not a file", path);
    else if (status->st_mode & S_IWOTH)
        outcome =
            outcome_later("4.3.5", "everybody can write the aliases %s: chmod o-w %s", path, path);
    if (outcome_good(&outcome))
        return outcome;
    snprintf(outcome.status, sizeof outcome.status, "4.3.5");
    file_close(fd);
    return outcome;
}

static struct outcome read_table(struct alias_file *file, int fd)
{
    file->table = memory_get(sizeof *file->table);
    return alias_table_read(file->table, fd, file->path, false);
}

static struct outcome open_one(struct alias_file *file)
{
    int fd;
    struct stat status;
    struct outcome outcome = open_text(file->path, &fd, &status);
    if (!outcome_good(&outcome))
        return outcome;
    char *name = db_path(file->path);
    const char *why;
    file->db = alias_db_open(name, fd < 0 ? NULL : &status, &why);
    if (file->db && fd < 0)
        log_notice("%s is missing, so that %s is read as it is", file->path, name);
    else if (!file->db && why)
        log_notice("%s is not used, as %s: run newaliases", name, why);
    if (!file->db && fd >= 0)
        outcome = read_table(file, fd);
    free(name);
    file_close(&fd);
    return outcome;
}

struct outcome aliases_open(const struct texts *files, struct aliases **aliases)
{
    struct aliases *opened = memory_get(sizeof *opened);
    struct outcome outcome = outcome_done();
    opened->files = memory_get(files->count * sizeof *opened->files);
    for (size_t i = 0; i < files->count && outcome_good(&outcome); i++) {
        struct alias_file *file = &opened->files[opened->count++];
        file->path = memory_copy(files->items[i], strlen(files->items[i]));
        outcome = open_one(file);
    }
    if (!outcome_good(&outcome)) {
        aliases_close(opened);
        opened = NULL;
    }
    *aliases = opened;
    return outcome;
}

/* The database broke while it was in use: on with the text. */
static struct outcome fall_back(struct alias_file *file)
{
    log_notice("%s.db is not used any more, as it is damaged: run newaliases", file->path);
    alias_db_close(file->db);
    file->db = NULL;
    int fd;
    struct stat status;
    struct outcome outcome = open_text(file->path, &fd, &status);
    if (outcome_good(&outcome) && fd < 0)
        outcome =
            outcome_later("4.3.5", "%s.db is damaged, and %s is missing", file->path, file->path);
    if (outcome_good(&outcome))
        outcome = read_table(file, fd);
    file_close(&fd);
    return outcome;
}

static struct outcome find_in(struct alias_file *file, const char *key, struct buffer *value,
                              bool *found)
{
    *found = false;
    struct outcome outcome = outcome_done();
    if (file->db && !alias_db_find(file->db, key, value, found))
        outcome = fall_back(file);
    if (!outcome_good(&outcome) || !file->table)
        return outcome;
    const struct alias_entry *entry = alias_table_find(file->table, key);
    *found = entry != NULL;
    if (entry)
        buffer_append_text(value, entry->value);
    return outcome;
}

struct outcome aliases_find(const struct aliases *aliases, const char *key, struct texts *targets,
                            bool *found)
{
    char *lower = memory_copy(key, strlen(key));
    text_lower(lower);
    struct buffer value = {0};
    struct outcome outcome = outcome_done();
    *found = false;
    for (size_t i = 0; i < aliases->count && outcome_good(&outcome) && !*found; i++)
        outcome = find_in(&aliases->files[i], lower, &value, found);
    if (outcome_good(&outcome) && *found && !alias_split(buffer_text(&value), targets))
        outcome = outcome_later("4.3.5", "the targets of alias %s cannot be told apart", key);
    buffer_free(&value);
    free(lower);
    return outcome;
}

/* Whether a text has a key, and where. */
static bool find_line(const char *path, const char *key, unsigned *line)
{
    int fd;
    struct stat status;
    struct alias_table table = {0};
    struct outcome outcome = open_text(path, &fd, &status);
    if (outcome_good(&outcome) && fd >= 0)
        (void)alias_table_read(&table, fd, path, false); /* up to a fault is good enough */
    const struct alias_entry *entry = alias_table_find(&table, key);
    if (entry)
        *line = entry->line;
    alias_table_free(&table);
    file_close(&fd);
    return entry != NULL;
}

void aliases_place(const struct aliases *aliases, const char *key, struct buffer *place)
{
    char *lower = memory_copy(key, strlen(key));
    text_lower(lower);
    unsigned line = 0;
    size_t i = 0;
    while (i < aliases->count && !find_line(aliases->files[i].path, lower, &line))
        i++;
    if (i < aliases->count)
        buffer_format(place, "%s:%u", aliases->files[i].path, line);
    else
        buffer_format(place, "alias %s", key);
    free(lower);
}

void aliases_close(struct aliases *aliases)
{
    if (!aliases)
        return;
    for (size_t i = 0; i < aliases->count; i++) {
        struct alias_file *file = &aliases->files[i];
        free(file->path);
        alias_db_close(file->db);
        if (file->table)
            alias_table_free(file->table);
        free(file->table);
    }
    free(aliases->files);
    free(aliases);
}

/* Opens and reads a text as newaliases does. The caller frees and closes either way. */
static struct outcome read_strictly(const char *file, const struct settings *settings, int *fd,
                                    struct stat *status, struct alias_table *table,
                                    struct texts *warnings)
{
    struct outcome outcome = open_text(file, fd, status);
    if (outcome_good(&outcome) && *fd < 0)
        outcome = outcome_errno(ENOENT, "cannot read the aliases %s", file);
    if (outcome_good(&outcome))
        outcome = alias_table_read(table, *fd, file, true);
    if (outcome_good(&outcome))
        outcome = alias_check(table, file, settings, warnings);
    return outcome;
}

struct outcome aliases_build(const char *file, const struct settings *settings, struct bar *bar,
                             size_t *count, struct texts *warnings)
{
    int fd = -1;
    struct stat status;
    struct alias_table table = {0};
    struct outcome outcome = read_strictly(file, settings, &fd, &status, &table, warnings);
    *count = 0;
    if (outcome_good(&outcome)) {
        char *name = db_path(file);
        outcome = alias_db_write(name, &status, &table, bar);
        free(name);
    }
    if (outcome_good(&outcome))
        *count = table.keys.count;
    alias_table_free(&table);
    file_close(&fd);
    return outcome;
}

struct outcome aliases_check(const char *file, const struct settings *settings, struct texts *keys,
                             struct texts *warnings, const char **why)
{
    int fd = -1;
    struct stat status;
    struct alias_table table = {0};
    struct outcome outcome = read_strictly(file, settings, &fd, &status, &table, warnings);
    *why = NULL;
    if (fd >= 0) {
        char *name = db_path(file);
        alias_db_close(alias_db_open(name, &status, why));
        free(name);
    }
    for (size_t i = 0; outcome_good(&outcome) && i < table.keys.count; i++)
        texts_add(keys, table.keys.items[i]);
    alias_table_free(&table);
    file_close(&fd);
    return outcome;
}

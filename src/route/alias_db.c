/* Aliases in a Berkeley DB hash (see alias_db.h). */
#include "route/alias_db.h"

#include <db.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/database.h"
#include "base/file.h"
#include "base/memory.h"

enum { MANY = 20000 /* aliases for which one has to wait */ };

/* No key of an alias, as it holds a control character. */
static const char source_key[] = "\001postrider source";

struct alias_db {
    struct database database;
};

static DBT with_nul(const char *text)
{
    DBT item;
    memset(&item, 0, sizeof item);
    item.data = (void *)(uintptr_t)text; /* libdb has no const, and only reads it */
    item.size = (u_int32_t)strlen(text) + 1;
    return item;
}

static int put(struct alias_db *db, const char *key, const char *value)
{
    DBT key_item = with_nul(key), value_item = with_nul(value);
    return db->database.handle->put(db->database.handle, NULL, &key_item, &value_item, 0);
}

static void format_source(const struct stat *source, char *space, size_t size)
{
    snprintf(space, size, "1 %" PRIdMAX ".%09ld %" PRIdMAX, (intmax_t)source->st_mtim.tv_sec,
             source->st_mtim.tv_nsec, (intmax_t)source->st_size);
}

/* Returns libdb's number, or an errno, which it takes its numbers from. */
static int write_entries(const char *path, const struct stat *source,
                         const struct alias_table *table, struct bar *bar)
{
    char state[96];
    format_source(source, state, sizeof state);
    struct alias_db db = {0};
    int error = database_open(&db.database, path, DB_HASH, DB_CREATE | DB_TRUNCATE);
    for (size_t i = 0; i < table->keys.count && !error; i++) {
        error = put(&db, table->keys.items[i], table->entries[i].value);
        if (bar && table->keys.count >= MANY && bar_is_due(bar))
            bar_draw(bar, i + 1, table->keys.count);
    }
    if (!error)
        error = put(&db, "@", "@"); /* sendmail's mark of a complete file */
    if (!error)
        error = put(&db, source_key, state);
    if (!error)
        error = db.database.handle->sync(db.database.handle, 0);
    (void)database_close(&db.database);
    if (bar)
        bar_leave(bar);
    return error;
}

/* The database may be read by whoever may read the text. */
static int settle_file(int fd, const struct stat *source)
{
    /* Only root and members can give a group; without it the group is kept out. */
    mode_t mode = source->st_mode & (S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
    if (fchown(fd, (uid_t)-1, source->st_gid) < 0)
        mode &= ~(mode_t)S_IRGRP;
    if (fchmod(fd, mode | S_IRUSR | S_IWUSR) < 0)
        return errno;
    return 0;
}

struct outcome alias_db_write(const char *path, const struct stat *source,
                              const struct alias_table *table, struct bar *bar)
{
    struct new_file file;
    struct outcome outcome = file_begin(path, &file);
    if (!outcome_good(&outcome))
        return outcome;
    /* A caller's umask may have taken our own access: libdb opens the file by its name. */
    int error = fchmod(file.fd, S_IRUSR | S_IWUSR) < 0 ? errno : 0;
    if (!error)
        error = write_entries(file.temporary, source, table, bar);
    if (!error)
        error = settle_file(file.fd, source);
    if (!error)
        return file_commit(&file, true);
    file_drop(&file);
    return outcome_errno(error > 0 ? error : EIO, "cannot write %s", path);
}

static const char *find_stale(struct alias_db *db, const struct stat *source)
{
    char state[96];
    struct buffer written = {0};
    bool found;
    const char *why = NULL;
    if (!alias_db_find(db, source_key, &written, &found))
        why = "it is damaged";
    else if (!found)
        why = "another program has made it";
    else if (source) {
        format_source(source, state, sizeof state);
        if (strcmp(buffer_text(&written), state) != 0)
            why = "the text has changed since it was made";
    }
    buffer_free(&written);
    return why;
}

/*
 * Opens the very file that was looked at: libdb opens by name, and more than once, so that a new
 * database that takes the name meanwhile would be mixed with the old one.
 */
static int open_checked(struct alias_db *db, int fd, const char *path)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    return database_open(&db->database, access(name, R_OK) == 0 ? name : path, DB_HASH, DB_RDONLY);
}

struct alias_db *alias_db_open(const char *path, const struct stat *source, const char **why)
{
    *why = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        if (errno != ENOENT)
            *why = "it cannot be opened";
        return NULL;
    }
    struct alias_db *db = memory_get(sizeof *db);
    *why = database_find_fault(fd, DB_HASH);
    if (!*why && open_checked(db, fd, path) != 0)
        *why = "it is damaged";
    if (!*why)
        *why = find_stale(db, source);
    file_close(&fd);
    if (!*why)
        return db;
    alias_db_close(db);
    return NULL;
}

/* libdb gives values in memory of their own, so that none is bound to a size. */
bool alias_db_find(struct alias_db *db, const char *key, struct buffer *value, bool *found)
{
    DBT key_item = with_nul(key), value_item;
    memset(&value_item, 0, sizeof value_item);
    value_item.flags = DB_DBT_MALLOC;
    int error = db->database.handle->get(db->database.handle, NULL, &key_item, &value_item, 0);
    *found = error == 0;
    if (error)
        return error == DB_NOTFOUND;
    const char *data = value_item.data;
    bool whole =
        value_item.size && memchr(data, '\0', value_item.size) == data + value_item.size - 1;
    if (whole)
        buffer_append(value, data, value_item.size - 1);
    free(value_item.data);
    return whole;
}

void alias_db_close(struct alias_db *db)
{
    if (!db)
        return;
    (void)database_close(&db->database);
    free(db);
}

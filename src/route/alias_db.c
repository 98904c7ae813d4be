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

#include "base/file.h"
#include "base/memory.h"

/* No key of an alias, as it holds a control character. */
static const char source_key[] = "\001postrider source";

struct alias_db {
    DB_ENV *environment;
    DB *handle;
};

/* libdb would print on standard error; what it has to say comes back as a number as well. */
static void ignore(const DB_ENV *environment, const char *prefix, const char *message)
{
    (void)environment;
    (void)prefix;
    (void)message;
}

/* After a page with a wrong check sum libdb would refuse to close, and so to free, anything. */
static void close_all(struct alias_db *db)
{
    if (db->environment)
        (void)db->environment->set_flags(db->environment, DB_NOPANIC, 1);
    if (db->handle)
        (void)db->handle->close(db->handle, DB_NOSYNC);
    if (db->environment)
        (void)db->environment->close(db->environment, 0);
    *db = (struct alias_db){0};
}

/*
 * A handle in an environment of its own. Without one libdb would look for DB_CONFIG in the present
 * folder (CVE-2017-10140); without DB_USE_ENVIRON it believes no variable. Returns libdb's number.
 */
static int open_all(struct alias_db *db, const char *path, u_int32_t flags)
{
    int error = db_env_create(&db->environment, 0);
    if (error) {
        db->environment = NULL;
        return error;
    }
    db->environment->set_errcall(db->environment, ignore);
    error = db->environment->set_tmp_dir(db->environment, "/dev/null");
    if (!error)
        error =
            db->environment->open(db->environment, "/", DB_CREATE | DB_PRIVATE | DB_INIT_MPOOL, 0);
    if (!error)
        error = db_create(&db->handle, db->environment, 0);
    if (!error && (flags & DB_CREATE))
        error = db->handle->set_flags(db->handle, DB_CHKSUM);
    if (!error)
        error = db->handle->open(db->handle, NULL, path, NULL, DB_HASH, flags, 0600);
    return error;
}

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
    return db->handle->put(db->handle, NULL, &key_item, &value_item, 0);
}

static void format_source(const struct stat *source, char *space, size_t size)
{
    snprintf(space, size, "1 %" PRIdMAX ".%09ld %" PRIdMAX, (intmax_t)source->st_mtim.tv_sec,
             source->st_mtim.tv_nsec, (intmax_t)source->st_size);
}

/* Returns libdb's number, or an errno, which it takes its numbers from. */
static int write_entries(const char *path, const struct stat *source,
                         const struct alias_table *table)
{
    char state[96];
    format_source(source, state, sizeof state);
    struct alias_db db = {0};
    int error = open_all(&db, path, DB_CREATE | DB_TRUNCATE);
    for (size_t i = 0; i < table->keys.count && !error; i++)
        error = put(&db, table->keys.items[i], table->entries[i].value);
    if (!error)
        error = put(&db, "@", "@"); /* sendmail's mark of a complete file */
    if (!error)
        error = put(&db, source_key, state);
    if (!error)
        error = db.handle->sync(db.handle, 0);
    close_all(&db);
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
    while (fsync(fd) < 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

struct outcome alias_db_write(const char *path, const struct stat *source,
                              const struct alias_table *table)
{
    struct buffer temporary = {0};
    buffer_format(&temporary, "%s.XXXXXX", path);
    int fd = mkostemp(temporary.data, O_CLOEXEC);
    struct outcome outcome;
    if (fd < 0) {
        outcome = outcome_errno(errno, "cannot make %s", temporary.data);
    } else {
        /* A caller's umask may have taken our own access: libdb opens the file by its name. */
        int error = fchmod(fd, S_IRUSR | S_IWUSR) < 0 ? errno : 0;
        if (!error)
            error = write_entries(temporary.data, source, table);
        if (!error)
            error = settle_file(fd, source);
        if (!error && rename(temporary.data, path) < 0)
            error = errno;
        outcome = error ? outcome_errno(error > 0 ? error : EIO, "cannot write %s", path)
                        : file_sync_folder_of(path);
        if (error)
            unlink(temporary.data);
        file_close(&fd);
    }
    buffer_free(&temporary);
    return outcome;
}

/* What the first page of every file of libdb says of it, by its header db_page.h (DBMETA). */
struct first_page {
    unsigned char sequence[8];
    uint32_t number, magic, version, page_size;
    unsigned char encryption, type, flags, unused;
    uint32_t free_page, last_page;
};

enum { HAS_CHECKSUMS = 1 /* in flags */ };

/*
 * libdb is not made for files that somebody else prepared or that were cut: such ones never reach
 * it. Those of the other byte order are left to the text as well.
 */
static const char *find_fault(int fd)
{
    struct stat status;
    struct first_page first;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        return "it is not a file";
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return "it belongs neither to root nor to the present user";
    if (status.st_mode & S_IWOTH)
        return "everybody can write it";
    if (file_read_at(fd, &first, sizeof first, 0) != sizeof first || first.magic != DB_HASHMAGIC)
        return "it is no Berkeley DB hash of this machine";
    if ((uintmax_t)status.st_size != ((uintmax_t)first.last_page + 1) * first.page_size)
        return "it has been cut";
    /* Without check sums libdb would believe a damaged page, and crash. All of ours have them. */
    if (!(first.flags & HAS_CHECKSUMS))
        return "another program has made it";
    return NULL;
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
    return open_all(db, access(name, R_OK) == 0 ? name : path, DB_RDONLY);
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
    *why = find_fault(fd);
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
    int error = db->handle->get(db->handle, NULL, &key_item, &value_item, 0);
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
    close_all(db);
    free(db);
}

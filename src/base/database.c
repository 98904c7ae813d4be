/* See database.h. */
#include "base/database.h"

#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* libdb would print on standard error; what it has to say comes back as a number as well. */
static void ignore(const DB_ENV *environment, const char *prefix, const char *message)
{
    (void)environment;
    (void)prefix;
    (void)message;
}

/* For one that is written as a whole: keys come in no order, and each page would go to the disk and
 * come back many times. Taken as it is needed. */
enum { WRITE_CACHE = 16 << 20 };

/* An environment of its own: without one libdb would look for DB_CONFIG in the present folder;
 * without DB_USE_ENVIRON it believes no variable. */
int database_open(struct database *database, const char *path, DBTYPE type, uint32_t flags)
{
    *database = (struct database){0};
    int error = db_env_create(&database->environment, 0);
    if (error) {
        database->environment = NULL;
        return error;
    }
    DB_ENV *environment = database->environment;
    environment->set_errcall(environment, ignore);
    error = environment->set_tmp_dir(environment, "/dev/null");
    if (!error && (flags & DB_TRUNCATE))
        error = environment->set_cachesize(environment, 0, WRITE_CACHE, 1);
    if (!error)
        error = environment->open(environment, "/", DB_CREATE | DB_PRIVATE | DB_INIT_MPOOL, 0);
    if (!error)
        error = db_create(&database->handle, environment, 0);
    if (!error && (flags & DB_CREATE))
        error = database->handle->set_flags(database->handle, DB_CHKSUM);
    if (!error)
        error = database->handle->open(database->handle, NULL, path, NULL, type, flags, 0600);
    return error;
}

/* Pages that were changed are trickled out until all are clean, which takes no sync. */
int database_flush(struct database *database)
{
    return database->environment->memp_trickle(database->environment, 100, NULL);
}

/* After a page with a wrong check sum libdb would refuse to close, and so to free, anything. */
int database_close(struct database *database)
{
    int error = 0;
    if (database->environment)
        (void)database->environment->set_flags(database->environment, DB_NOPANIC, 1);
    if (database->handle)
        error = database->handle->close(database->handle, DB_NOSYNC);
    if (database->environment)
        (void)database->environment->close(database->environment, 0);
    *database = (struct database){0};
    return error;
}

/* What the first page of every file of libdb says of it, by its header db_page.h (DBMETA). */
struct first_page {
    unsigned char sequence[8];
    uint32_t number, magic, version, page_size;
    unsigned char encryption, type, flags, unused;
    uint32_t free_page, last_page;
};

enum { HAS_CHECKSUMS = 1 /* in flags */ };

/* Those of the other byte order are refused as well. */
const char *database_find_fault(int fd, DBTYPE type)
{
    struct stat status;
    struct first_page first;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        return "it is not a file";
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return "it belongs neither to root nor to the present user";
    if (status.st_mode & S_IWOTH)
        return "everybody can write it";
    if (file_read_at(fd, &first, sizeof first, 0) != sizeof first ||
        first.magic != (type == DB_HASH ? DB_HASHMAGIC : DB_BTREEMAGIC))
        return type == DB_HASH ? "it is no Berkeley DB hash of this machine"
                               : "it is no Berkeley DB btree of this machine";
    if ((uintmax_t)status.st_size != ((uintmax_t)first.last_page + 1) * first.page_size)
        return "it has been cut";
    /* Without check sums libdb would believe a damaged page, and crash. All of ours have them. */
    if (!(first.flags & HAS_CHECKSUMS))
        return "another program has made it";
    return NULL;
}

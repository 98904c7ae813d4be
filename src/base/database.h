/*
 * A file of Berkeley DB, opened so that nothing but the file and its caller has a say: no DB_CONFIG
 * of the present folder (CVE-2017-10140), no variable of the environment, no temporary files; and
 * one that was prepared by others, or cut, never reaches libdb, which is not made for such files.
 */
#ifndef BASE_DATABASE_H
#define BASE_DATABASE_H

#include <db.h>
#include <stdint.h>

struct database {
    DB_ENV *environment;
    DB *handle;
};

/*
 * Opens a hash or a btree; flags are those of DB->open. What is made has check sums. Returns
 * libdb's number, or an errno, which it takes its numbers from. The caller closes it either way.
 */
int database_open(struct database *database, const char *path, DBTYPE type, uint32_t flags);
/* Writes to the file what has been changed, without a sync. libdb's number. */
int database_flush(struct database *database);
/* Forgets what has not been written. libdb's number. */
int database_close(struct database *database);
/* Why an open file must not be given to libdb, in static words; NULL: it may. */
const char *database_find_fault(int fd, DBTYPE type);

#endif

/*
 * Opening what nobody else may read (see secret.h). Knows nothing of what stands in it, and no
 * words made here hold a byte of that.
 */
#include "config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

/* Whether nobody else has a part in it. */
static struct outcome check(int fd, const char *path)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return outcome_errno(errno, "cannot read %s", path);
    if (!S_ISREG(status.st_mode))
        return outcome_later("4.3.5", "%s is not a file", path);
    if (status.st_uid != geteuid() && status.st_uid != 0)
        return outcome_later("4.7.0", "%s belongs to another user (id %lu): chown it to id %lu",
                             path, (unsigned long)status.st_uid, (unsigned long)geteuid());
    if (status.st_mode & (S_IRWXG | S_IRWXO))
        return outcome_later("4.7.0", "%s is open to group or others: chmod 600 %s", path, path);
    return outcome_done();
}

struct outcome secret_open(const char *path, int *fd)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct outcome outcome;
    if (*fd < 0 && errno == EACCES)
        outcome = outcome_later("4.7.0",
                                "%s cannot be read: it must belong to the present user (id %lu), "
                                "in a folder that he may enter",
                                path, (unsigned long)geteuid());
    else if (*fd < 0)
        outcome = outcome_errno(errno, "cannot read %s", path);
    else
        outcome = check(*fd, path);
    if (strcmp(outcome.status, "4.7.0") == 0)
        outcome.exit_status = EX_NOPERM;
    if (!outcome_good(&outcome))
        file_close(fd);
    return outcome;
}

static struct outcome load(int fd, const char *path, size_t most, struct buffer *secret)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return outcome_errno(errno, "cannot read %s", path);
    if ((uint64_t)status.st_size > most)
        return outcome_later("4.3.5", "%s is larger than %zu bytes", path, most);
    size_t capacity = (size_t)status.st_size + 1;
    *secret = (struct buffer){.data = memory_get(capacity), .capacity = capacity};
    ssize_t length = file_read(fd, secret->data, capacity - 1);
    if (length < 0)
        return outcome_errno(errno, "cannot read %s", path);
    secret->length = (size_t)length;
    return outcome_done();
}

struct outcome secret_load(const char *path, size_t most, struct buffer *secret)
{
    int fd;
    struct outcome outcome = secret_open(path, &fd);
    if (outcome_good(&outcome))
        outcome = load(fd, path, most, secret);
    file_close(&fd);
    return outcome;
}

/* ---- writing ---- */

/* Where the path's folder is missing: root's, and open to the user alone; or the present user's. */
static struct outcome make_folder(const char *path, const struct passwd *owner)
{
    struct buffer folder = {0};
    struct outcome outcome = outcome_done();
    const char *slash = strrchr(path, '/');
    buffer_append(&folder, path, slash && slash > path ? (size_t)(slash - path) : 0);
    bool made = false;
    if (folder.length)
        outcome = file_make_folder(folder.data, S_IRWXU, &made);
    if (made && owner &&
        (chown(folder.data, 0, owner->pw_gid) < 0 ||
         chmod(folder.data, S_IRWXU | S_IRGRP | S_IXGRP) < 0))
        outcome = outcome_errno(errno, "cannot give the folder %s to its user", folder.data);
    buffer_free(&folder);
    return outcome;
}

struct outcome secret_save(const char *path, const char *user, bool replace,
                           const struct buffer *secret)
{
    const struct passwd *owner = user ? getpwnam(user) : NULL;
    if (user && !owner)
        return outcome_refuse(EX_OSFILE, "there is no user %s: make install makes it", user);
    struct outcome outcome = make_folder(path, owner);
    if (!outcome_good(&outcome))
        return outcome;
    struct new_file file;
    outcome = file_begin(path, &file); /* of mode 0600 */
    if (!outcome_good(&outcome))
        return outcome;
    if (owner && fchown(file.fd, owner->pw_uid, owner->pw_gid) < 0)
        outcome = outcome_errno(errno, "cannot give %s to its user", path);
    else if (!file_write(file.fd, buffer_text(secret), secret->length))
        outcome = outcome_errno(errno, "cannot write %s", path);
    else
        return file_commit(&file, replace);
    file_drop(&file);
    return outcome;
}

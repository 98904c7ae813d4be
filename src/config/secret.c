/*
 * Opening what nobody else may read (see secret.h). Knows nothing of what stands in it, and no
 * words made here hold a byte of that.
 */
#include "config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

struct outcome secret_open(const char *path, int *fd)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd < 0 && errno == EACCES)
        return outcome_later("4.7.0",
                             "%s cannot be read: it must belong to the present user (id %lu), in a "
                             "folder that he may enter",
                             path, (unsigned long)geteuid());
    if (*fd < 0)
        return outcome_errno(errno, "cannot read %s", path);
    struct stat status;
    struct outcome outcome = outcome_done();
    if (fstat(*fd, &status) < 0)
        outcome = outcome_errno(errno, "cannot read %s", path);
    else if (!S_ISREG(status.st_mode))
        outcome = outcome_later("4.3.5", "%s is not a file", path);
    else if (status.st_uid != geteuid() && status.st_uid != 0)
        outcome = outcome_later("4.7.0", "%s belongs to another user (id %lu): chown it to id %lu",
                                path, (unsigned long)status.st_uid, (unsigned long)geteuid());
    else if (status.st_mode & (S_IRWXG | S_IRWXO))
        outcome = outcome_later("4.7.0", "%s is open to group or others: chmod 600 %s", path, path);
    if (!outcome_good(&outcome)) {
        if (strcmp(outcome.status, "4.7.0") == 0)
            outcome.exit_status = EX_NOPERM;
        file_close(fd);
    }
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

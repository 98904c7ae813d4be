/* Lists in files of their own (see include.h). */
#include "route/include.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config/paths.h"
#include "route/alias_text.h"

/* The runner is the queue's user, newaliases may be root: both are to come to the same. */
static bool is_queues(const struct settings *settings, const struct stat *status, bool by_group)
{
    bool installed = strcmp(settings_file(settings), POSTRIDER_CONFIG) == 0;
    const struct passwd *user = installed ? getpwnam(POSTRIDER_USER) : NULL;
    return user && (by_group ? status->st_gid == user->pw_gid : status->st_uid == user->pw_uid);
}

/* Whoever can write the list says where mail goes: only root and the present user should. */
static struct outcome check(const struct settings *settings, int fd, const char *path,
                            struct buffer *identity)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return outcome_errno(errno, "cannot read %s", path);
    if (!S_ISREG(status.st_mode))
        return outcome_later("4.3.5", "%s is not a file", path);
    if (status.st_uid != 0 && status.st_uid != geteuid() && !is_queues(settings, &status, false))
        return outcome_later("4.3.5", "%s belongs neither to root nor to the present user (id %lu)",
                             path, (unsigned long)geteuid());
    bool by_group = (status.st_mode & S_IWGRP) && status.st_gid != 0 &&
                    status.st_gid != getegid() && !is_queues(settings, &status, true);
    if (by_group || (status.st_mode & S_IWOTH))
        return outcome_later("4.3.5", "%s can be written by others: chmod go-w %s", path, path);
    buffer_format(identity, "%llu:%llu", (unsigned long long)status.st_dev,
                  (unsigned long long)status.st_ino);
    return outcome_done();
}

static struct outcome read_members(struct input *input, const char *path, struct texts *members)
{
    struct buffer line = {.limit = ALIAS_LINE_LONGEST};
    struct outcome outcome = outcome_done();
    for (unsigned number = 1; outcome_good(&outcome) && input_line(input, &line); number++) {
        bool whole = !line.failed && !memchr(line.data, '\0', line.length) &&
                     text_is_utf8(line.data, line.length);
        char *text = whole ? text_trim(line.data) : NULL;
        if (!text || (*text != '#' && !alias_split(text, members)))
            outcome = alias_fault(path, number, "the line is no list of addresses");
        buffer_clear(&line);
    }
    buffer_free(&line);
    if (outcome_good(&outcome) && input->error)
        outcome = outcome_errno(input->error, "cannot read %s", path);
    return outcome;
}

struct outcome include_read(const struct settings *settings, const char *path,
                            struct texts *members, struct buffer *identity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct outcome outcome =
        fd < 0 ? outcome_errno(errno, "cannot read %s", path) : check(settings, fd, path, identity);
    if (outcome_good(&outcome)) {
        struct input input = {.fd = fd};
        outcome = read_members(&input, path, members);
        input_free(&input);
    }
    file_close(&fd);
    return outcome;
}

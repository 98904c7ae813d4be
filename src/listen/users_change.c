/*
 * Writing the users file (see users_change.h). Two that change it wait for each other by a lock on
 * the file that has the name; who finds another file there afterwards begins anew. Knows no SMTP
 * and asks nobody anything.
 */
#include "listen/users_change.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "listen/users.h"

enum { PATIENCE_MS = 10000 /* for another one that changes the file */ };

/* ---- a user's line ---- */

static bool put_hash(const char *password, struct buffer *line)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (!crypt_gensalt_rn(NULL, 0, NULL, 0, setting, sizeof setting))
        return false;
    struct crypt_data *data = memory_get(sizeof *data);
    const char *hash = crypt_r(password, setting, data);
    bool good = hash && *hash == '$';
    if (good)
        buffer_append_text(line, hash);
    memory_wipe(data, sizeof *data);
    free(data);
    return good;
}

static struct outcome make_line(const char *name, const char *password, struct buffer *line)
{
    struct sasl_verifier verifier;
    buffer_format(line, "%s:", name);
    if (!put_hash(password, line))
        return outcome_refuse(EX_SOFTWARE, "libcrypt cannot make a hash of this password");
    if (!sasl_verifier_make(password, &verifier))
        return outcome_refuse(EX_SOFTWARE, "libgsasl cannot make a verifier of this password");
    buffer_append_text(line, ":");
    sasl_verifier_format(&verifier, line);
    buffer_append_text(line, "\n");
    memory_wipe(&verifier, sizeof verifier);
    return outcome_done();
}

/* ---- the text ---- */

/* One line of the old text on its way into the new one, where the user's line takes its place. */
struct change {
    const char *path, *name;
    const char *line; /* the new one; NULL: none */
    bool found;
    struct buffer text;
};

static struct outcome take_line(struct change *change, unsigned number, const char *line,
                                size_t length)
{
    char *copy = memory_copy(line, length);
    struct user user;
    const char *why;
    struct outcome outcome = outcome_done();
    bool has_nul = memchr(line, '\0', length) != NULL;
    if (has_nul || !users_parse_line(copy, &user, &why)) {
        outcome = outcome_refuse(EX_CONFIG, "%s:%u: %s", change->path, number,
                                 has_nul ? "the line holds a NUL byte" : why);
    } else {
        bool is_his = user.name && strcmp(user.name, change->name) == 0;
        if (!is_his)
            buffer_append(&change->text, line, length);
        else if (!change->found && change->line)
            buffer_append_text(&change->text, change->line);
        change->found = change->found || is_his;
        users_free_line(&user);
    }
    memory_wipe(copy, length);
    free(copy);
    return outcome;
}

static struct outcome change_text(struct change *change, const char *old, size_t length)
{
    struct outcome outcome = outcome_done();
    unsigned number = 0;
    for (const char *end = old + length; old < end && outcome_good(&outcome);) {
        const char *newline = memchr(old, '\n', (size_t)(end - old));
        const char *next = newline ? newline + 1 : end;
        outcome = take_line(change, ++number, old, (size_t)(next - old));
        old = next;
    }
    if (!outcome_good(&outcome) || change->found)
        return outcome;
    if (!change->line)
        return outcome_refuse(EX_NOUSER, "%s has no user %s", change->path, change->name);
    const struct buffer *text = &change->text;
    if (text->length && text->data[text->length - 1] != '\n')
        buffer_append_text(&change->text, "\n");
    buffer_append_text(&change->text, change->line);
    return outcome;
}

/* ---- the file ---- */

/* Not for ever: sessions of the listener have the file open, and one that was broken into could
 * keep the lock. */
static struct outcome lock(int fd, const char *path)
{
    int64_t end = clock_ms() + PATIENCE_MS;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return outcome_errno(errno, "cannot lock %s", path);
        if (clock_ms() >= end)
            return outcome_refuse(
                EX_TEMPFAIL, "%s is locked by another process: \"lsof %s\" names it", path, path);
        (void)poll(NULL, 0, 20);
    }
    return outcome_done();
}

static struct outcome open_locked(const char *path, bool make, int *fd)
{
    struct stat ours, named;
    for (;;) {
        *fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | (make ? O_CREAT : 0),
                   S_IRUSR | S_IWUSR);
        if (*fd < 0)
            return outcome_errno(errno, "cannot change %s", path);
        struct outcome outcome = lock(*fd, path);
        if (!outcome_good(&outcome))
            return outcome;
        if (fstat(*fd, &ours) == 0 && lstat(path, &named) == 0 && ours.st_ino == named.st_ino &&
            ours.st_dev == named.st_dev)
            return S_ISREG(ours.st_mode) ? outcome_done()
                                         : outcome_refuse(EX_CONFIG, "%s is not a file", path);
        file_close(fd);
    }
}

/* Owner, group and mode of the new file; of one's own file they stay, but for what others may. */
static struct outcome settle_file(int fd, int old, bool installed)
{
    struct stat status;
    if (fstat(old, &status) < 0)
        return outcome_errno(errno, "cannot look at the old file");
    uid_t owner = status.st_uid;
    gid_t gid = status.st_gid;
    mode_t mode = S_IRUSR | S_IWUSR | (owner == 0 ? status.st_mode & S_IRGRP : 0);
    if (installed) {
        const struct passwd *reader = getpwnam(POSTRIDER_USER);
        if (!reader)
            return outcome_refuse(EX_OSFILE, "there is no user %s: make install makes it",
                                  POSTRIDER_USER);
        owner = 0;
        gid = reader->pw_gid;
        mode = S_IRUSR | S_IWUSR | S_IRGRP;
    }
    if (fchown(fd, owner, gid) < 0 || fchmod(fd, mode) < 0)
        return outcome_errno(errno, "cannot give the new file its owner and mode");
    return outcome_done();
}

static struct outcome replace(const char *path, int old, bool installed, const struct buffer *text)
{
    struct new_file file;
    struct outcome outcome = file_begin(path, &file);
    if (!outcome_good(&outcome))
        return outcome;
    outcome = settle_file(file.fd, old, installed);
    if (outcome_good(&outcome) && !file_write(file.fd, buffer_text(text), text->length))
        outcome = outcome_errno(errno, "cannot write %s", path);
    if (outcome_good(&outcome))
        return file_commit(&file, true);
    file_drop(&file);
    return outcome;
}

static struct outcome load(int fd, const char *path, struct buffer *old)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return outcome_errno(errno, "cannot read %s", path);
    if (status.st_size > USERS_FILE_LONGEST)
        return outcome_refuse(EX_CONFIG, "%s is larger than %d bytes", path, USERS_FILE_LONGEST);
    old->capacity = (size_t)status.st_size + 1;
    old->data = memory_get(old->capacity);
    ssize_t length = file_read_at(fd, old->data, old->capacity - 1, 0);
    if (length < 0)
        return outcome_errno(errno, "cannot read %s", path);
    old->length = (size_t)length;
    return outcome_done();
}

/* line: NULL takes the user out. */
static struct outcome change_file(const char *path, bool installed, const char *name,
                                  const char *line)
{
    int fd = -1;
    struct buffer old = {0};
    struct change change = {.path = path, .name = name, .line = line};
    struct outcome outcome = open_locked(path, line != NULL, &fd);
    if (outcome_good(&outcome))
        outcome = load(fd, path, &old);
    if (outcome_good(&outcome))
        outcome = change_text(&change, buffer_text(&old), old.length);
    if (outcome_good(&outcome))
        outcome = replace(path, fd, installed, &change.text);
    buffer_wipe(&old);
    buffer_wipe(&change.text);
    file_close(&fd);
    return outcome;
}

struct outcome users_put(const char *path, bool installed, const char *name, const char *password)
{
    struct buffer line = {0};
    struct outcome outcome = make_line(name, password, &line);
    if (outcome_good(&outcome))
        outcome = change_file(path, installed, name, buffer_text(&line));
    buffer_wipe(&line);
    return outcome;
}

struct outcome users_delete(const char *path, bool installed, const char *name)
{
    return change_file(path, installed, name, NULL);
}

/* See save.h. */
#include "setup/save.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

enum { MOST = 4 * 1024 * 1024, FILE_OPEN = 0644, FILE_SECRET = 0600, FOLDER = 0755 };

/* ---- looking ---- */

/* What was made by others than the installation belongs to who runs this. */
static struct outcome choose_owner(enum save_kind kind, bool installed, struct save_file *file)
{
    file->owner = geteuid();
    file->group = getegid();
    file->mode = kind == SAVE_OPEN && installed ? FILE_OPEN : FILE_SECRET;
    if (kind == SAVE_OPEN || !installed)
        return outcome_done();
    const struct passwd *user = getpwnam(POSTRIDER_USER);
    if (!user)
        return outcome_refuse(EX_OSFILE, "there is no user %s: make install makes it",
                              POSTRIDER_USER);
    file->owner = user->pw_uid;
    file->group = user->pw_gid;
    return outcome_done();
}

static struct outcome read_content(int fd, struct save_file *file)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return outcome_errno(errno, "cannot look at %s", file->path);
    if (!S_ISREG(status.st_mode))
        return outcome_refuse(EX_OSFILE, "%s is not a file", file->path);
    if (status.st_size > MOST)
        return outcome_refuse(EX_OSFILE, "%s is larger than %d bytes", file->path, MOST);
    /* Of this size at once: no part of a secret is left behind by growing. */
    size_t capacity = (size_t)status.st_size + 1;
    file->content = (struct buffer){.data = memory_get(capacity), .capacity = capacity};
    ssize_t length = file_read(fd, file->content.data, capacity - 1);
    if (length < 0)
        return outcome_errno(errno, "cannot read %s", file->path);
    file->content.length = (size_t)length;
    return outcome_done();
}

static struct outcome look(int fd, enum save_kind kind, bool installed, struct save_file *file)
{
    struct stat status;
    struct outcome outcome = read_content(fd, file);
    if (!outcome_good(&outcome))
        return outcome;
    if (fstat(fd, &status) < 0)
        return outcome_errno(errno, "cannot look at %s", file->path);
    if (kind == SAVE_OPEN || !installed) {
        file->owner = status.st_uid;
        file->group = status.st_gid;
    }
    if (kind == SAVE_OPEN)
        file->mode = status.st_mode & 07777;
    file->there = true;
    file->proper = status.st_uid == file->owner && (status.st_mode & 07777) == file->mode;
    return outcome_done();
}

struct outcome save_load(const char *path, enum save_kind kind, bool installed,
                         struct save_file *file)
{
    struct stat link;
    char *real = realpath(path, NULL);
    *file = (struct save_file){.path = real ? real : memory_copy(path, strlen(path))};
    struct outcome outcome = choose_owner(kind, installed, file);
    if (!outcome_good(&outcome))
        return outcome;
    if (!real && lstat(path, &link) == 0)
        return outcome_refuse(EX_OSFILE, "%s is a link that leads nowhere: take it away", path);
    if (!real && errno != ENOENT)
        return outcome_errno(errno, "cannot look at %s", path);
    if (!real)
        return outcome_done();
    int fd = open(real, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        outcome = outcome_errno(errno, "cannot read %s", path);
        outcome.exit_status = errno == EACCES ? EX_NOPERM : outcome.exit_status;
        return outcome;
    }
    outcome = look(fd, kind, installed, file);
    file_close(&fd);
    return outcome;
}

void save_free(struct save_file *file)
{
    free(file->path);
    buffer_wipe(&file->content);
    *file = (struct save_file){0};
}

/* ---- the folder ---- */

struct outcome save_lock(const char *folder, int *fd)
{
    *fd = -1;
    struct outcome outcome = file_make_folders(folder, FOLDER);
    if (!outcome_good(&outcome))
        return outcome;
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0)
        return outcome_errno(errno, "cannot open the folder %s", folder);
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return outcome_done();
    int error = errno;
    file_close(fd);
    if (error == EWOULDBLOCK)
        return outcome_refuse(EX_TEMPFAIL, "another postrider setup is at work in %s", folder);
    return outcome_errno(error, "cannot lock the folder %s", folder);
}

/* ---- writing ---- */

static struct outcome check_unchanged(const struct save_file *file)
{
    struct save_file now = {.path = file->path};
    struct outcome outcome = outcome_done();
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0 && errno != ENOENT)
        return outcome_errno(errno, "cannot read %s", file->path);
    if (fd >= 0)
        outcome = read_content(fd, &now);
    bool same = file->there ? fd >= 0 && now.content.length == file->content.length &&
                                  memory_same(buffer_text(&now.content),
                                              buffer_text(&file->content), now.content.length)
                            : fd < 0;
    file_close(&fd);
    buffer_wipe(&now.content);
    if (outcome_good(&outcome) && !same)
        outcome = outcome_refuse(EX_TEMPFAIL,
                                 "%s was changed by somebody else meanwhile: begin "
                                 "anew",
                                 file->path);
    return outcome;
}

/* A second new file of the same name waits under another one, which trial_sweep knows. */
static struct outcome begin_again(const char *path, struct new_file *new)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct buffer other = {0};
    buffer_append(&other, path, (size_t)(name - path));
    buffer_format(&other, "%s%s", SAVE_PREFIX, name);
    struct outcome outcome = file_begin(buffer_text(&other), new);
    new->path = path;
    buffer_free(&other);
    return outcome;
}

static bool is_again(const struct save_step *steps, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (steps[i].text && strcmp(steps[i].file->path, steps[at].file->path) == 0)
            return true;
    return false;
}

static struct outcome prepare(const struct save_step *step, bool again, struct new_file *new)
{
    const struct save_file *file = step->file;
    struct outcome outcome = again ? begin_again(file->path, new) : file_begin(file->path, new);
    if (!outcome_good(&outcome))
        return outcome;
    if (fchown(new->fd, file->owner, file->group) < 0 || fchmod(new->fd, file->mode) < 0)
        return outcome_errno(errno, "cannot give %s its owner and mode", file->path);
    if (!file_write(new->fd, buffer_text(step->text), step->text->length))
        return outcome_errno(errno, "cannot write %s", file->path);
    return file_sync(new);
}

static struct outcome take_step(const struct save_step *step, struct new_file *new)
{
    if (step->text)
        return file_commit(new, true);
    if (unlink(step->file->path) < 0 && errno != ENOENT)
        return outcome_errno(errno, "cannot take %s away", step->file->path);
    return file_sync_folder_of(step->file->path);
}

static void hold_signals(sigset_t *before)
{
    static const int held[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGALRM};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++)
        sigaddset(&set, held[i]);
    sigprocmask(SIG_BLOCK, &set, before);
}

struct outcome save_all(const struct save_step *steps, size_t count)
{
    struct new_file *files = memory_get((count + 1) * sizeof *files);
    struct outcome outcome = outcome_done();
    size_t ready = 0;
    sigset_t before;
    hold_signals(&before);
    for (; ready < count && outcome_good(&outcome); ready++) {
        files[ready].fd = -1;
        outcome = check_unchanged(steps[ready].file);
        if (outcome_good(&outcome) && steps[ready].text)
            outcome = prepare(&steps[ready], is_again(steps, ready), &files[ready]);
    }
    for (size_t i = 0; i < count && outcome_good(&outcome); i++)
        outcome = take_step(&steps[i], &files[i]);
    for (size_t i = 0; i < ready; i++)
        file_drop(&files[i]);
    free(files);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return outcome;
}

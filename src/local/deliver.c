/*
 * Becomes a user and appends a message to his mailbox, or to a file of his that an alias names.
 * Only the queue's own user may ask for anybody's, and for mailboxes only in a folder that is made
 * for mail; everybody else (a user with a queue of his own) reaches his own.
 */
#include "local/local.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static off_t read_size(const char *text)
{
    char *rest;
    errno = 0;
    long long size = strtoll(text, &rest, 10);
    if (errno || rest == text || *rest || size <= 0)
        end(EX_USAGE, "SIZE is not a number of bytes");
    return size;
}

/* SIZE [ID SUM] */
static struct entry read_entry(char *const arguments[])
{
    struct entry entry = {.size = read_size(arguments[0]), .id = arguments[1]};
    char *rest;
    if (entry.id) {
        entry.sum = strtoul(arguments[2], &rest, 16);
        if (rest == arguments[2] || *rest)
            end(EX_USAGE, "SUM is no checksum");
    }
    return entry;
}

/* A name from the user table that is one part of a path. */
static const struct passwd *find_user(const char *name)
{
    errno = 0;
    const struct passwd *user = getpwnam(name);
    if (!user && errno && errno != ENOENT && errno != ESRCH)
        end(EX_TEMPFAIL, "the user table cannot be read: %s", strerror(errno));
    if (!user || strcmp(user->pw_name, name) != 0)
        end(EX_NOUSER, "there is no user of this name");
    if (strchr(name, '/') || name[0] == '.' || name[0] == '\0')
        end(EX_NOUSER, "this user's name cannot be a mailbox");
    return user;
}

/* Root creates files in it under a user's name: so it has to be root's, and for mail only. */
static void check_folder(const char *path, const struct stat *folder)
{
    const struct group *mail = getgrnam("mail");
    if (folder->st_uid != 0 || ((folder->st_mode & S_IWOTH) && !(folder->st_mode & S_ISVTX)))
        end(EX_CANTCREAT, "%s must belong to root and be closed to others", path);
    if (strcmp(path, POSTRIDER_MAILDIR) != 0 && (!mail || folder->st_gid != mail->gr_gid))
        end(EX_CANTCREAT, "%s must be of group mail to be a folder for mailboxes", path);
}

/* One that a helper of ours made and did not live to give to its user; -1 if it is no such. */
static int open_half_made(int folder, const char *name)
{
    struct stat info;
    if (geteuid() != 0)
        return -1;
    int fd = openat(folder, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == 0 &&
        info.st_size == 0 && info.st_nlink == 1 && (info.st_mode & 07777) == 0600)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Makes the mailbox when there is none. */
static void make_mailbox(int folder, const char *name, uid_t uid, gid_t gid, mode_t mode)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        end(EX_CANTCREAT, "cannot make %s: %s", name, strerror(errno));
    if (fd < 0)
        fd = open_half_made(folder, name);
    if (fd < 0)
        return;
    if (fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0)
        end(EX_CANTCREAT, "cannot make %s: %s", name, strerror(errno));
    close(fd);
}

/* A message in a mailbox whose name is lost with the power is lost. */
static void sync_name(int folder, const char *path, int mailbox)
{
    struct stat info;
    if (fstat(mailbox, &info) < 0 || (info.st_size == 0 && fsync(folder) < 0))
        end(EX_IOERR, "cannot sync the folder %s: %s", path, strerror(errno));
}

void ignore_signals(void)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        signal(numbers[i], SIG_IGN);
}

/* Appends, and ends. */
static _Noreturn void append(int folder, const char *path, const char *name, const char *what,
                             const struct entry *entry)
{
    int mailbox = mailbox_open(folder, name, what);
    sync_name(folder, path, mailbox);
    mailbox_append(mailbox, entry);
    mailbox_unlock();
    _exit(EX_OK);
}

int is_privileged(void)
{
    if (geteuid() != 0 || getuid() == 0)
        return 0;
    const struct passwd *queue_user = getpwnam(POSTRIDER_USER);
    if (!queue_user || queue_user->pw_uid != getuid())
        end(EX_NOPERM, "only the user " POSTRIDER_USER " delivers mail");
    return 1;
}

struct target_user find_target_user(const char *name, const char *key)
{
    int privileged = is_privileged();
    errno = 0;
    const struct passwd *user = getpwnam(name);
    if (!user && errno && errno != ENOENT && errno != ESRCH)
        end(EX_TEMPFAIL, "the user table cannot be read: %s", strerror(errno));
    if (!user)
        end(EX_CONFIG, "there is no user %s", name);
    if (user->pw_uid == 0 || user->pw_gid == 0)
        end(EX_CONFIG, "%s has root's rights, which no alias may use", name);
    if (!privileged && user->pw_uid != getuid())
        end(EX_CONFIG, "without an installation only the caller himself can be named, not %s",
            name);
    if (privileged && (user->pw_uid == getuid() || user->pw_gid == getgid()))
        end(EX_CONFIG, "%s has the rights of the queue, which no alias may use", name);
    if (privileged)
        check_named(key, name);
    struct target_user found = {user->pw_uid, user->pw_gid, strdup(user->pw_name),
                                strdup(user->pw_dir)};
    if (!found.name || !found.home)
        end(EX_OSERR, "out of memory");
    return found;
}

void deliver(const char *name, const char *path, char *const arguments[])
{
    const struct entry entry = read_entry(arguments);
    ignore_signals();
    int privileged = is_privileged();
    const struct passwd *user = find_user(name);
    /* The user is known: that he cannot be reached now says nothing about his mail. */
    if (!privileged && user->pw_uid != getuid())
        end(EX_NOPERM, "only the caller's own mailbox can be written: this program has no "
                       "set-user-ID bit, or may gain no rights (NoNewPrivileges, nosuid)");
    /* Root is never a user: his mailbox is written as the queue's user, who calls. */
    uid_t uid = user->pw_uid == 0 ? getuid() : user->pw_uid;

    struct stat info;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || fstat(folder, &info) < 0)
        end(EX_CANTCREAT, "cannot open the folder %s: %s", path, strerror(errno));
    if (privileged) {
        check_folder(path, &info);
        make_mailbox(folder, name, uid, info.st_gid, 0660);
        write_as(uid, info.st_gid);
    } else {
        make_mailbox(folder, name, uid, getgid(), 0600);
    }
    append(folder, path, name, "mailbox", &entry);
}

void write_file(const char *name, const char *path, char *const arguments[])
{
    const struct entry entry = read_entry(arguments);
    ignore_signals();
    struct target_user user = find_target_user(name, "alias_files");
    if (is_privileged())
        write_as(user.uid, user.gid);
    /* From here on it is the user who looks for the file, and can reach what he can anyway. */
    char where[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (path[0] != '/' || !slash[1] ||
        snprintf(where, sizeof where, "%.*s/", (int)(slash - path), path) >= (int)sizeof where)
        end(EX_CONFIG, "this is no path of a file");
    int folder = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        end(EX_CANTCREAT, "cannot open the folder %s: %s", where, strerror(errno));
    make_mailbox(folder, slash + 1, writer(), getegid(), 0600);
    append(folder, where, slash + 1, "file", &entry);
}

/*
 * A mailbox, or another file, in mbox form (RFC 4155), as the user that it belongs to: checked,
 * locked twice (by a dot-lock and by fcntl, for readers use either), appended to, synced; its old
 * length comes back when that fails.
 */
#include "local/local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 65536 };
/* So far back, in bytes, a message is looked for: its owner must not keep a run at that for hours.
 */
#define MOST_SEARCHED ((off_t)512 << 20)
/* In seconds. */
enum {
    PATIENCE = 30,   /* for a lock */
    STALE = 300,     /* a dot-lock of this age whose holder is gone is no lock */
    ABANDONED = 3600 /* nor is one of this age at all: the holder's number may be another's now */
};

static int lock_folder = -1;
static char lock_name[300];
static char block[BLOCK];
static const char *kind = "mailbox";

void mailbox_unlock(void)
{
    if (lock_folder >= 0)
        unlinkat(lock_folder, lock_name, 0);
    lock_folder = -1;
}

/* Of a clock that nobody sets: one that is put back must not make a wait longer. */
static time_t seconds(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void wait_a_little(void)
{
    struct timespec pause = {.tv_nsec = 200000000};
    nanosleep(&pause, NULL);
}

/* A dot-lock whose holder is gone may be taken away after a while. */
static void remove_stale(int folder)
{
    struct stat info;
    char text[32] = "";
    if (fstatat(folder, lock_name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    /* One from the future was made before the clock was put back. */
    time_t age = time(NULL) - info.st_mtime;
    if (age < STALE && age > -STALE)
        return;
    int fd = openat(folder, lock_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    long holder = length > 0 ? strtol(text, NULL, 10) : 0;
    if (age >= ABANDONED || holder <= 0 || (kill((pid_t)holder, 0) < 0 && errno == ESRCH))
        unlinkat(folder, lock_name, 0);
}

static void take_dot_lock(int folder, const char *name, time_t limit)
{
    if (snprintf(lock_name, sizeof lock_name, "%s.lock", name) >= (int)sizeof lock_name)
        end(EX_NOUSER, "the name of the %s is too long", kind);
    for (;;) {
        int fd =
            openat(folder, lock_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd >= 0) {
            lock_folder = folder;
            dprintf(fd, "%ld\n", (long)getpid());
            close(fd);
            return;
        }
        /* Where we may not make one, no reader of this mailbox may either. */
        if (errno == EACCES || errno == EPERM)
            return;
        if (errno != EEXIST)
            end(EX_CANTCREAT, "cannot lock the %s: %s", kind, strerror(errno));
        remove_stale(folder);
        if (seconds() > limit)
            end(EX_TEMPFAIL, "another program holds the %s's dot-lock", kind);
        wait_a_little();
    }
}

/* The file by this name, if it is one that we may write to; *info: what is known of it. */
static int open_checked(int folder, const char *name, struct stat *info)
{
    int fd = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ELOOP)
        end(EX_CANTCREAT, "the %s is a symbolic link", kind);
    if (fd < 0 || fstat(fd, info) < 0)
        end(EX_CANTCREAT, "cannot open the %s: %s", kind, strerror(errno));
    if (!S_ISREG(info->st_mode))
        end(EX_CANTCREAT, "the %s is not a file", kind);
    if (info->st_nlink > 1)
        end(EX_CANTCREAT, "the %s has a second name (hard link)", kind);
    if (info->st_uid != writer())
        end(EX_CANTCREAT, "the %s belongs to another user", kind);
    return fd;
}

/* Of the open file, not of the process: closing a copy does not let it go. */
static void lock(int fd, time_t limit)
{
    struct flock wish = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    while (fcntl(fd, F_OFD_SETLK, &wish) < 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            end(EX_TEMPFAIL, "cannot lock the %s: %s", kind, strerror(errno));
        if (seconds() > limit)
            end(EX_TEMPFAIL, "another program has locked the %s", kind);
        wait_a_little();
    }
}

/* Whoever had the lock before may have put another file in its place, or none. */
static int is_still_named(int folder, const char *name, const struct stat *info)
{
    struct stat now;
    return fstatat(folder, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_dev == info->st_dev &&
           now.st_ino == info->st_ino;
}

int mailbox_open(int folder, const char *name, const char *what)
{
    struct stat info;
    kind = what;
    time_t limit = seconds() + PATIENCE;
    take_dot_lock(folder, name, limit);
    for (;;) {
        int fd = open_checked(folder, name, &info);
        lock(fd, limit);
        if (is_still_named(folder, name, &info))
            return fd;
        close(fd);
        wait_a_little();
        if (seconds() > limit)
            end(EX_TEMPFAIL, "another program replaces the %s all the time", kind);
    }
}

static off_t length_of(int fd)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        end(EX_IOERR, "cannot read the %s: %s", kind, strerror(errno));
    return info.st_size;
}

static int starts_at(int fd, off_t at, const char *text)
{
    char found[16];
    size_t length = strlen(text);
    return pread(fd, found, length, at) == (ssize_t)length && memcmp(found, text, length) == 0;
}

/* Where things stand in a mailbox that is read line by line; -1: nowhere yet. */
struct search {
    const char *wanted; /* a line */
    off_t from;         /* the last line, if it is a "From " line */
    off_t found, next;  /* the message, and the one behind it */
};

/* length: of what is kept of the line that begins at this place. */
static void look_at_line(struct search *search, off_t at, const char *line, size_t length)
{
    if (search->found < 0 && search->from >= 0 && length == strlen(search->wanted) &&
        memcmp(line, search->wanted, length) == 0)
        search->found = search->from;
    search->from = length >= 5 && memcmp(line, "From ", 5) == 0 ? at : -1;
    if (search->found >= 0)
        search->next = search->from;
}

/*
 * Finds where the message with this id begins, and the one behind it: its "X-Postrider-Id: ID" line
 * stands right behind its "From " line, where no sender can put one. -1: it is not there, or so far
 * from the end that much else has come since. However long a line its owner has put there, only its
 * beginning is kept.
 */
static off_t find_message(int fd, const struct entry *entry, off_t *next)
{
    char wanted[64], line[sizeof wanted];
    struct search search = {.wanted = wanted, .from = -1, .found = -1, .next = -1};
    size_t length = 0;
    ssize_t count;
    if (snprintf(wanted, sizeof wanted, "X-Postrider-Id: %s\n", entry->id) >= (int)sizeof wanted)
        end(EX_OSERR, "cannot search the %s", kind);
    off_t at = length_of(fd) - entry->size - MOST_SEARCHED;
    at = at > 0 ? at : 0;
    off_t begin = at;
    int is_part = at > 0; /* of a line, where the search begins */
    while (search.next < 0 && (count = pread(fd, block, BLOCK, at)) != 0) {
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            end(EX_IOERR, "cannot read the %s: %s", kind, strerror(errno));
        for (ssize_t i = 0; i < count && search.next < 0; i++) {
            if (length < sizeof line)
                line[length++] = block[i];
            if (block[i] != '\n')
                continue;
            if (!is_part)
                look_at_line(&search, begin, line, length);
            is_part = 0;
            begin = at + i + 1;
            length = 0;
        }
        at += count;
    }
    if (search.next < 0 && length > 0)
        look_at_line(&search, begin, line, length);
    *next = search.next;
    return search.found;
}

/* CRC-32C, as base/checksum.c has it: that room is not used here. */
static uint32_t add_to_sum(uint32_t sum, const char *data, size_t length)
{
    sum = ~sum;
    for (size_t i = 0; i < length; i++) {
        sum ^= (unsigned char)data[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum & 1 ? sum >> 1 ^ 0x82F63B78u : sum >> 1;
    }
    return ~sum;
}

/* Of a part of the file; *has_nul: there is a NUL in it. */
static uint32_t sum_up(int fd, off_t at, off_t end_at, int *has_nul)
{
    uint32_t sum = 0;
    *has_nul = 0;
    while (at < end_at) {
        size_t wanted = end_at - at < BLOCK ? (size_t)(end_at - at) : BLOCK;
        ssize_t count = pread(fd, block, wanted, at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            end(EX_IOERR, "cannot read the %s: %s", kind, strerror(count ? errno : EIO));
        sum = add_to_sum(sum, block, (size_t)count);
        *has_nul |= memchr(block, '\0', (size_t)count) != NULL;
        at += count;
    }
    return sum;
}

static void cut(int fd, off_t length)
{
    if (ftruncate(fd, length) < 0)
        end(EX_IOERR, "cannot cut the %s: %s", kind, strerror(errno));
}

/* No message ends in NUL: a power cut left the length of what was not written. */
static void cut_nuls(int fd)
{
    off_t length = length_of(fd), stop = length;
    for (ssize_t count = 0; stop > 0 && length - stop < MOST_SEARCHED; stop -= count) {
        size_t wanted = stop < BLOCK ? (size_t)stop : BLOCK;
        count = pread(fd, block, wanted, stop - (off_t)wanted);
        if (count != (ssize_t)wanted)
            end(EX_IOERR, "cannot read the %s: %s", kind, strerror(count < 0 ? errno : EIO));
        while (count > 0 && block[count - 1] == '\0') {
            count--;
            stop--;
        }
        if (count > 0)
            break;
    }
    if (stop < length)
        cut(fd, stop);
}

/*
 * After a run that was cut off: true when all of the message is there. A power cut can leave its
 * length with NULs in it. One that is longer than ours and has none was changed by a mail reader
 * since. What is no whole message is taken away, unless another program has put its own behind it.
 */
static int is_there(int fd, const struct entry *entry)
{
    off_t next;
    int has_nul;
    off_t at = find_message(fd, entry, &next);
    if (at < 0) {
        cut_nuls(fd);
        return 0;
    }
    off_t stop = next < 0 ? length_of(fd) : next;
    if (stop - at >= entry->size && sum_up(fd, at, at + entry->size, &has_nul) == entry->sum)
        return 1;
    if (stop - at > entry->size) {
        sum_up(fd, at, stop, &has_nul);
        if (!has_nul)
            return 1;
    }
    if (next < 0)
        cut(fd, at);
    return 0;
}

/*
 * Nobody reads our standard error any more: the runner is dead, and another one may have asked for
 * the same message while we waited for the lock. From here on it would find it.
 */
static int is_caller_gone(void)
{
    struct pollfd words = {.fd = 2};
    return poll(&words, 1, 0) > 0 && (words.revents & POLLERR);
}

static int write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t count = write(fd, data, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return 0;
        data += count;
        length -= (size_t)count;
    }
    return 1;
}

/* The message that came before has to end in an empty line. */
static int separate(int fd, off_t length)
{
    if (length == 0 || (length > 1 && starts_at(fd, length - 2, "\n\n")))
        return 1;
    return starts_at(fd, length - 1, "\n") ? write_all(fd, "\n", 1) : write_all(fd, "\n\n", 2);
}

static int copy_input(int fd, off_t size)
{
    for (;;) {
        ssize_t count = read(0, block, BLOCK);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return 0;
        if (count == 0)
            break;
        size -= count;
        if (size < 0 || !write_all(fd, block, (size_t)count))
            return 0;
    }
    if (size != 0)
        errno = EPIPE;
    return size == 0;
}

void mailbox_append(int fd, const struct entry *entry)
{
    if (is_caller_gone())
        end(EX_TEMPFAIL, "the program that asked for this is gone");
    if (entry->id && is_there(fd, entry)) {
        /* Whoever wrote it may not have lived to sync it. */
        if (fsync(fd) < 0)
            end(EX_IOERR, "the %s could not be written: %s", kind, strerror(errno));
        return;
    }
    off_t before = length_of(fd);
    if (lseek(fd, before, SEEK_SET) == before && separate(fd, before) &&
        copy_input(fd, entry->size) && fsync(fd) == 0)
        return;
    int error = errno;
    if (ftruncate(fd, before) < 0 || fsync(fd) < 0)
        end(EX_IOERR, "the %s could not be written (%s), and its old length not restored", kind,
            strerror(error));
    end(error == EDQUOT || error == ENOSPC || error == EFBIG ? EX_TEMPFAIL : EX_IOERR,
        "the %s could not be written: %s", kind, strerror(error));
}

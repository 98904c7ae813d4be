/*
 * hops/hop-<name>: "FAILURES STATUS SINCE REASON", with the file time as the end of the pause, and
 * SINCE the time at which it began. It only saves attempts: when it cannot be read or written, mail
 * is tried all the same. When the hop works again, the file becomes hops/last-<name>, for people;
 * the file time of hops/ok-<name> is when it worked, that of hops/abrupt-<name> when it ended a
 * session with several messages under way. Of MX hosts, which are many, none of these is kept.
 */
#include "queue/hop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/checksum.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

enum { LONG_MARK = 9 /* characters */, ABRUPT_S = 7 * 24 * 3600 };

/* What could mean something in a path is replaced; of a name that is too long a checksum tells. */
void hop_file_name(const char *kind, const char *name, char path[HOP_FILE_NAME])
{
    int length = snprintf(path, HOP_FILE_NAME, "%s-%s", kind, name);
    if (length >= HOP_FILE_NAME)
        snprintf(path + HOP_FILE_NAME - LONG_MARK - 1, LONG_MARK + 1, "~%08lx",
                 (unsigned long)checksum_add(0, name, strlen(name)));
    for (char *c = path; *c; c++)
        if (*c == '/' || (unsigned char)*c <= ' ')
            *c = '_';
}

/* *since: when it began; 0: there is no such file. */
static void read_state(const struct queue *queue, const char *kind, const char *name,
                       struct hop_state *state, long long *since)
{
    *state = (struct hop_state){0};
    *since = 0;
    char path[HOP_FILE_NAME];
    hop_file_name(kind, name, path);
    int fd = openat(queue->hops, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    struct stat info;
    char text[sizeof state->reason + 64];
    ssize_t length = file_read(fd, text, sizeof text - 1);
    if (length > 0 && fstat(fd, &info) == 0) {
        text[length] = '\0';
        text_tame(text, strlen(text));
        int at = 0;
        if (sscanf(text, "%u %11s %lld %n", &state->failures, state->status, since, &at) == 3 &&
            at > 0) {
            state->until = *since <= clock_now() ? info.st_mtime : 0;
            snprintf(state->reason, sizeof state->reason, "%s", text + at);
        }
    }
    file_close(&fd);
}

/* 0: there is no such file. */
static time_t read_time(const struct queue *queue, const char *kind, const char *name)
{
    struct stat info;
    char path[HOP_FILE_NAME];
    hop_file_name(kind, name, path);
    return fstatat(queue->hops, path, &info, AT_SYMLINK_NOFOLLOW) == 0 ? info.st_mtime : 0;
}

void hop_read(const struct queue *queue, const char *name, struct hop_state *state)
{
    long long since;
    read_state(queue, "hop", name, state, &since);
}

void hop_read_history(const struct queue *queue, const char *name, struct hop_history *history)
{
    struct hop_state last;
    long long since, last_since;
    *history = (struct hop_history){0};
    read_state(queue, "hop", name, &history->state, &since);
    read_state(queue, "last", name, &last, &last_since);
    bool down = history->state.failures > 0;
    const struct hop_state *failure = down ? &history->state : &last;
    history->failed = down ? since : last_since;
    snprintf(history->status, sizeof history->status, "%s", failure->status);
    snprintf(history->reason, sizeof history->reason, "%s", failure->reason);
    history->worked = read_time(queue, "ok", name);
}

static void add_name(const char *file, struct texts *names)
{
    static const char *const kinds[] = {"hop-", "last-", "ok-"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t length = strlen(kinds[i]);
        if (strncmp(file, kinds[i], length) != 0)
            continue;
        for (size_t k = 0; k < names->count; k++)
            if (strcmp(names->items[k], file + length) == 0)
                return;
        texts_add(names, file + length);
    }
}

void hop_list(const struct queue *queue, struct texts *names)
{
    int fd = openat(queue->hops, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (!stream) {
        file_close(&fd);
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL)
        add_name(entry->d_name, names);
    closedir(stream);
}

static void write_state(const struct queue *queue, const char *name, unsigned failures,
                        const struct outcome *why, uint64_t wait)
{
    char path[HOP_FILE_NAME];
    hop_file_name("hop", name, path);
    int fd = openat(queue->hops, path,
                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
    struct buffer text = {0};
    time_t now = clock_now();
    buffer_format(&text, "%u %s %lld %s", failures, why->status, (long long)now, why->reason);
    const struct timespec until = {.tv_sec = now + (time_t)wait}, times[2] = {until, until};
    if (fd < 0 || !file_write(fd, text.data, text.length) || futimens(fd, times) < 0)
        log_error("cannot note that %s is to be left alone", name);
    buffer_free(&text);
    file_close(&fd);
}

void hop_failed(const struct queue *queue, const char *name, const struct outcome *why,
                uint64_t wait)
{
    struct hop_state before;
    hop_read(queue, name, &before);
    write_state(queue, name, before.failures + 1, why, wait);
}

void hop_pause(const struct queue *queue, const char *name, const struct outcome *why,
               uint64_t wait)
{
    write_state(queue, name, 0, why, wait);
}

bool hop_is_pausing(const struct hop_state *state)
{
    return state->failures == 0 && state->until > clock_now();
}

/* Of MX hosts, which are many, nothing lasts. */
static bool is_one_of_many(const char *name)
{
    return strncmp(name, "mx ", 3) == 0;
}

/* By the time of an empty file. */
static void note_time(const struct queue *queue, const char *kind, const char *name,
                      const char *what)
{
    char path[HOP_FILE_NAME];
    hop_file_name(kind, name, path);
    int fd =
        openat(queue->hops, path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
    if (fd < 0 || futimens(fd, NULL) < 0)
        log_error("cannot note that %s %s", name, what);
    file_close(&fd);
}

/* A failure that is over becomes the last one. */
static void end_failure(const struct queue *queue, const char *name)
{
    char path[HOP_FILE_NAME], last[HOP_FILE_NAME];
    hop_file_name("hop", name, path);
    hop_file_name("last", name, last);
    if (renameat(queue->hops, path, queue->hops, last) < 0 && errno != ENOENT)
        log_error("cannot note that %s works again: %s", name, strerror(errno));
}

void hop_forgive(const struct queue *queue, const char *name, time_t before)
{
    struct hop_state state;
    long long since;
    read_state(queue, "hop", name, &state, &since);
    if (state.failures && since < before)
        end_failure(queue, name);
}

void hop_works(const struct queue *queue, const char *name)
{
    if (!is_one_of_many(name))
        note_time(queue, "ok", name, "works");
    struct hop_state state;
    hop_read(queue, name, &state);
    if (hop_is_pausing(&state))
        return;
    if (is_one_of_many(name) || state.failures == 0) {
        char path[HOP_FILE_NAME];
        hop_file_name("hop", name, path);
        unlinkat(queue->hops, path, 0);
    } else {
        end_failure(queue, name);
    }
}

void hop_was_abrupt(const struct queue *queue, const char *name)
{
    if (is_one_of_many(name))
        return;
    log_notice("%s ended a session with several messages under way: for a week they go one at a "
               "time",
               name);
    note_time(queue, "abrupt", name, "ends sessions");
}

bool hop_is_abrupt(const struct queue *queue, const char *name)
{
    time_t when = read_time(queue, "abrupt", name), now = clock_now();
    return when <= now && now - when < ABRUPT_S;
}

/*
 * hops/hop-<name>: "FAILURES STATUS SINCE REASON", with the file time as the end of the pause, and
 * SINCE the time at which it began. It only saves attempts: when it cannot be read or written, mail
 * is tried all the same.
 */
#include "queue/hop.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

/* What could mean something in a path is replaced. */
void hop_file_name(const char *kind, const char *name, char path[HOP_FILE_NAME])
{
    snprintf(path, HOP_FILE_NAME, "%s-%s", kind, name);
    for (char *c = path; *c; c++)
        if (*c == '/' || (unsigned char)*c <= ' ')
            *c = '_';
}

void hop_read(const struct queue *queue, const char *name, struct hop_state *state)
{
    *state = (struct hop_state){0};
    char path[HOP_FILE_NAME];
    hop_file_name("hop", name, path);
    int fd = openat(queue->hops, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    struct stat info;
    char text[sizeof state->reason + 64];
    ssize_t length = file_read(fd, text, sizeof text - 1);
    if (length > 0 && fstat(fd, &info) == 0) {
        text[length] = '\0';
        int at = 0;
        long long since;
        if (sscanf(text, "%u %11s %lld %n", &state->failures, state->status, &since, &at) == 3 &&
            at > 0) {
            state->until = since <= clock_now() ? info.st_mtime : 0;
            snprintf(state->reason, sizeof state->reason, "%s", text + at);
        }
    }
    file_close(&fd);
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
    struct timespec times[2];
    times[0] = times[1] = (struct timespec){.tv_sec = now + (time_t)wait};
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

void hop_works(const struct queue *queue, const char *name)
{
    struct hop_state state;
    hop_read(queue, name, &state);
    if (hop_is_pausing(&state))
        return;
    char path[HOP_FILE_NAME];
    hop_file_name("hop", name, path);
    unlinkat(queue->hops, path, 0);
}

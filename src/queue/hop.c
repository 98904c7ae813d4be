/*
 * hops/<name>: "FAILURES STATUS REASON", with the file time as the end of the pause. It only saves
 * attempts: when it cannot be read or written, mail is tried all the same.
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

enum { NAME_SPACE = 200 };

/* A next hop's name as a file's: what could mean something in a path is replaced. */
static void file_name(const char *name, char path[NAME_SPACE])
{
    snprintf(path, NAME_SPACE, "hop-%s", name);
    for (char *c = path; *c; c++)
        if (*c == '/' || (unsigned char)*c <= ' ')
            *c = '_';
}

void hop_read(const struct queue *queue, const char *name, struct hop_state *state)
{
    *state = (struct hop_state){0};
    char path[NAME_SPACE];
    file_name(name, path);
    int fd = openat(queue->hops, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    struct stat info;
    char text[sizeof state->reason + 64];
    ssize_t length = file_read(fd, text, sizeof text - 1);
    if (length > 0 && fstat(fd, &info) == 0) {
        text[length] = '\0';
        int at = 0;
        if (sscanf(text, "%u %11s %n", &state->failures, state->status, &at) == 2 && at > 0) {
            /* A time farther ahead was set by a clock that has been put back since. */
            if (info.st_mtime <= clock_now() + HOP_LONGEST_PAUSE)
                state->until = info.st_mtime;
            snprintf(state->reason, sizeof state->reason, "%s", text + at);
        }
    }
    file_close(&fd);
}

void hop_failed(const struct queue *queue, const char *name, const struct outcome *why,
                uint64_t wait)
{
    struct hop_state before;
    hop_read(queue, name, &before);
    char path[NAME_SPACE];
    file_name(name, path);
    int fd = openat(queue->hops, path,
                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
    struct buffer text = {0};
    buffer_format(&text, "%u %s %s", before.failures + 1, why->status, why->reason);
    struct timespec times[2];
    if (wait > HOP_LONGEST_PAUSE)
        wait = HOP_LONGEST_PAUSE;
    times[0] = times[1] = (struct timespec){.tv_sec = clock_now() + (time_t)wait};
    if (fd < 0 || !file_write(fd, text.data, text.length) || futimens(fd, times) < 0)
        log_error("cannot note that %s is down", name);
    buffer_free(&text);
    file_close(&fd);
}

void hop_works(const struct queue *queue, const char *name)
{
    char path[NAME_SPACE];
    file_name(name, path);
    unlinkat(queue->hops, path, 0);
}

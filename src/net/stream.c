/* Bytes with a deadline: poll, then what can be done. Knows no protocol but lines. */
#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"

enum { LOOK_EVERY_MS = 100 };

void stream_open(struct stream *stream, int fd)
{
    *stream = (struct stream){.fd = fd, .watch = -1, .deadline = clock_ms()};
    stream->data = memory_get(STREAM_HELD);
}

void stream_secure(struct stream *stream, struct tls *tls)
{
    stream->start = stream->end = 0;
    stream->tls = tls;
}

void stream_allow(struct stream *stream, int64_t milliseconds)
{
    stream->deadline = clock_ms() + milliseconds;
}

static void keep_error(struct stream *stream, int error)
{
    if (!stream->error)
        stream->error = error;
}

static bool is_transient(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static size_t room(struct stream *stream)
{
    if (stream->start == stream->end)
        stream->start = stream->end = 0;
    if (stream->end == STREAM_HELD && stream->start) {
        memmove(stream->data, stream->data + stream->start, stream->end - stream->start);
        stream->end -= stream->start;
        stream->start = 0;
    }
    return STREAM_HELD - stream->end;
}

/* Takes in what is there; true when that was anything. */
static bool take_in(struct stream *stream)
{
    size_t space = room(stream);
    if (stream->ended || !space)
        return false;
    char *place = stream->data + stream->end;
    ssize_t count = stream->tls ? tls_read(stream->tls, place, space)
                                : recv(stream->fd, place, space, MSG_DONTWAIT);
    if (count > 0) {
        stream->end += (size_t)count;
        if (stream->touched < stream->end)
            stream->touched = stream->end;
        return true;
    }
    if (count < 0 && is_transient(errno))
        return false;
    if (count < 0)
        keep_error(stream, errno);
    stream->ended = true;
    return false;
}

/* Waits for the events; false, with the error kept, at the deadline. */
static bool wait_for(struct stream *stream, short events)
{
    /* What is being said is said to its end. */
    int watch = (events & POLLOUT) ? -1 : stream->watch;
    struct pollfd wanted[] = {{.fd = stream->fd, .events = events},
                              {.fd = watch, .events = POLLIN}};
    int64_t left = stream->deadline - clock_ms();
    if (left <= 0) {
        keep_error(stream, ETIMEDOUT);
        return false;
    }
    int count = poll(wanted, 2, left > 60000 ? 60000 : (int)left);
    if (count < 0 && errno != EINTR) {
        keep_error(stream, errno);
        return false;
    }
    if (count > 0 && !wanted[0].revents && wanted[1].revents) {
        keep_error(stream, ECANCELED);
        return false;
    }
    return true;
}

/* What TLS wants before it can go on may be the other direction. */
static short direction(const struct stream *stream, short otherwise)
{
    return stream->tls && tls_wants_write(stream->tls) ? POLLOUT : otherwise;
}

bool stream_write(struct stream *stream, const void *data, size_t length)
{
    const char *rest = data;
    while (length && !stream->broken) {
        ssize_t count = stream->tls ? tls_write(stream->tls, rest, length)
                                    : send(stream->fd, rest, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0) {
            rest += count;
            length -= (size_t)count;
            /* A peer that takes it in crumbs must come to an end, too. */
            if (length && clock_ms() >= stream->deadline) {
                keep_error(stream, ETIMEDOUT);
                stream->broken = true;
            }
        } else if (count < 0 && !is_transient(errno)) {
            keep_error(stream, errno);
            stream->broken = true;
        } else {
            bool listening = !stream->ended && room(stream);
            short events = (short)(direction(stream, POLLOUT) | (listening ? POLLIN : 0));
            if (!wait_for(stream, events))
                stream->broken = true;
            else if (listening)
                (void)take_in(stream);
        }
    }
    return !stream->broken;
}

/* A peer who always has something ready never makes us wait, and look: so this does, now and then.
 */
static bool is_cancelled(struct stream *stream)
{
    struct pollfd watch = {.fd = stream->watch, .events = POLLIN};
    int64_t now = clock_ms();
    if (stream->watch < 0 || now - stream->looked < LOOK_EVERY_MS)
        return false;
    stream->looked = now;
    if (poll(&watch, 1, 0) <= 0)
        return false;
    keep_error(stream, ECANCELED);
    return true;
}

/* What the peer sends next, or its end; false: there is no use in going on. */
static bool get_more(struct stream *stream)
{
    return !stream->ended && !is_cancelled(stream) &&
           (take_in(stream) || stream->ended || wait_for(stream, direction(stream, POLLIN)));
}

bool stream_line(struct stream *stream, struct buffer *line)
{
    for (;;) {
        const char *begin = stream->data + stream->start;
        size_t held = stream->end - stream->start;
        const char *newline = held ? memchr(begin, '\n', held) : NULL;
        size_t length = newline ? (size_t)(newline - begin) + 1 : held;
        buffer_append(line, begin, length);
        stream->start += length;
        if (line->failed)
            return false;
        if (newline)
            return true;
        if (!get_more(stream))
            return false;
    }
}

bool stream_block(struct stream *stream, const char **data, size_t *length)
{
    while (stream->start == stream->end)
        if (!get_more(stream))
            return false;
    *data = stream->data + stream->start;
    *length = stream->end - stream->start;
    return true;
}

void stream_skip(struct stream *stream, size_t length)
{
    stream->start += length;
}

void stream_forget(struct stream *stream)
{
    if (stream->data) {
        memory_wipe(stream->data, stream->start);
        memory_wipe(stream->data + stream->end, stream->touched - stream->end);
    }
}

bool stream_holds(const struct stream *stream)
{
    return stream->start < stream->end;
}

bool stream_waiting(struct stream *stream)
{
    if (stream->start == stream->end)
        (void)take_in(stream);
    return stream->start < stream->end || stream->ended;
}

bool stream_comes(struct stream *stream, int milliseconds)
{
    struct pollfd wanted = {.fd = stream->fd, .events = direction(stream, POLLIN)};
    return stream_waiting(stream) || poll(&wanted, 1, milliseconds) > 0;
}

void stream_acknowledge(const struct stream *stream)
{
#ifdef TCP_QUICKACK
    const int on = 1;
    (void)setsockopt(stream->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
#else
    (void)stream;
#endif
}

struct outcome stream_trouble(const struct stream *stream, const char *host, const char *when)
{
    if (stream->error == ETIMEDOUT)
        return outcome_later("4.4.2", "%s took too long %s", host, when);
    if (stream->error == EPROTO && stream->tls)
        return outcome_later("4.7.5", "the TLS connection to %s broke %s: %s", host, when,
                             tls_trouble(stream->tls));
    if (stream->error && stream->error != EPIPE && stream->error != ECONNRESET)
        return outcome_later("4.4.2", "the connection to %s broke %s: %s", host, when,
                             strerror(stream->error));
    return outcome_later("4.4.2", "%s closed the connection %s", host, when);
}

void stream_close(struct stream *stream)
{
    tls_free(stream->tls);
    stream->tls = NULL;
    if (stream->data) {
        file_close(&stream->fd);
        free(stream->data);
    }
    *stream = (struct stream){
        .fd = -1, .watch = -1, .ended = true, .broken = true, .error = stream->error};
}

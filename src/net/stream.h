/*
 * Bytes to and from a peer, over a descriptor or TLS, never beyond a deadline. While it writes it
 * also takes in what arrives, so that two peers that both write cannot wait for each other.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "net/tls.h"

enum {
    STREAM_HELD = 262144 /* most bytes taken in ahead of their reader */
};

/* Make it with stream_open. What went wrong first is kept: see stream_trouble. */
struct stream {
    int fd;    /* non-blocking; owned */
    int watch; /* reading what is not here yet ends, ECANCELED, once this can be read; -1: none */
    int64_t looked;  /* clock_ms of the last look at it */
    struct tls *tls; /* NULL: in clear; owned */
    int64_t deadline;
    bool ended;  /* nothing more will come */
    bool broken; /* nothing more can be written */
    int error; /* errno; 0 and ended: closed by the peer; ETIMEDOUT: the deadline; ECANCELED: .watch
                */
    char *data;
    size_t start, end;
    size_t touched; /* how far .data has ever been written */
};

/* In clear over this descriptor, which it takes over; there is no time for anything yet. */
void stream_open(struct stream *stream, int fd);
/* Goes on with TLS, which it takes over. What was read in clear before is thrown away. */
void stream_secure(struct stream *stream, struct tls *tls);
/* What is read or written from now on must be done within so many milliseconds. */
void stream_allow(struct stream *stream, int64_t milliseconds);
/* All of it, or false; what arrived meanwhile can still be read then. */
bool stream_write(struct stream *stream, const void *data, size_t length);
/*
 * The next line, its LF included, behind the buffer. False: the end, an error, the deadline, or a
 * line over the buffer's limit (then .failed is set in the buffer).
 */
bool stream_line(struct stream *stream, struct buffer *line);
/*
 * What has come in and not been read yet, waiting until there is something; it belongs to the
 * stream. False: the end, an error, the deadline.
 */
bool stream_block(struct stream *stream, const char **data, size_t *length);
/* So many bytes of that are read now. */
void stream_skip(struct stream *stream, size_t length);
/* Overwrites what has been read already. */
void stream_forget(struct stream *stream);
/* Whether bytes have been taken in that were not read yet; looks no further than that. */
bool stream_holds(const struct stream *stream);
/* Whether bytes, or the peer's end, are there already; waits for nothing. */
bool stream_waiting(struct stream *stream);
/* Likewise, or they come within so many milliseconds; that they do not is no error. */
bool stream_comes(struct stream *stream, int milliseconds);
/* Has what came acknowledged at once: until then a peer may hold back what it says next. */
void stream_acknowledge(const struct stream *stream);
/* Why reading or writing failed, LATER: "HOST closed the connection WHEN", with WHEN such as
 * "before the greeting". */
struct outcome stream_trouble(const struct stream *stream, const char *host, const char *when);
/* Closes without waiting; may be called twice. */
void stream_close(struct stream *stream);

#endif

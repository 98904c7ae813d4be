/*
 * SMTP replies (RFC 5321 4.2), read within bounds, and the one place where a reply becomes an
 * outcome. Enhanced status codes by RFC 2034 and 3463.
 */
#ifndef NET_REPLY_H
#define NET_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "net/stream.h"

/* A reply of 100 KB still becomes a bounce; what is much longer is no reply but an attack. */
enum {
    REPLY_LINE = 2048,  /* most bytes of one line */
    REPLY_ALL = 262144, /* of all lines */
    REPLY_LINES = 4096  /* most lines */
};

/* Zero-initialise it; it can be read into again and again. */
struct reply {
    int code;            /* 200 to 599 */
    char status[12];     /* its enhanced status code, "" when it has none that fits the code */
    struct buffer lines; /* as they came, each ended by one LF */
    size_t count;        /* of lines */
    bool masked;         /* it repeats a secret: its words are shown to nobody */
};

/*
 * Adds a line as read, with or without its line end. True, and *last says whether it completes the
 * reply; false, and *why says in static words what is wrong with it. Begins a new reply when
 * the count is 0.
 */
bool reply_add(struct reply *reply, const char *line, size_t length, bool *last, const char **why);
/*
 * Reads a whole reply within the stream's deadline. LATER when there is none, or no proper one;
 * what came so far is in the reply then. WHEN is for the words: "after MAIL".
 */
struct outcome reply_read(struct stream *stream, struct reply *reply, const char *host,
                          const char *when);
/* The text of a line (from 0 on) without its code, within the reply; NULL when there is none. */
const char *reply_line(const struct reply *reply, size_t index, size_t *length);
/* All of it, unless it is masked, as one line of clean words: "550 5.1.1 no such user; see our
 * pages", behind the buffer. */
void reply_format(const struct reply *reply, struct buffer *text);
/* 2yz DONE, 4yz LATER, 5yz NEVER, all else LATER; "HOST said after WHEN: 550 ...". */
struct outcome reply_outcome(const struct reply *reply, const char *host, const char *when);
/* The same, but never NEVER: what concerns the session says nothing about a recipient. A status of
 * its own, such as "4.7.8", or NULL for the reply's. */
struct outcome reply_later(const struct reply *reply, const char *host, const char *when,
                           const char *status);
/*
 * Takes words that reply_outcome made, at the end of a longer reason or not, apart again: who said
 * it, and where the reply begins. False: there is no reply in it.
 */
bool reply_find(const char *reason, const char **host, size_t *host_length, const char **reply);
void reply_free(struct reply *reply);

#endif

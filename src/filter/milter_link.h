/*
 * The connection to one milter: packets out, packets in, each within a time limit, however the
 * other side behaves. Knows nothing of what they mean.
 */
#ifndef FILTER_MILTER_LINK_H
#define FILTER_MILTER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "net/stream.h"

struct milter_link {
    const char *name; /* "unix:/path" or "inet:host:port", for words too; the caller's */
    int64_t limit;    /* milliseconds that one answer may take */
    int64_t began;    /* clock_ms, see milter_link_begin */
    bool is_open;
    struct stream stream;
    struct buffer out; /* packets that wait to be sent; put there by the caller */
    struct buffer in;  /* the data of the last one that came */
};

/* All outcomes that are not DONE are LATER, with what happened in words. */

/* Connects. The caller closes it either way. */
struct outcome milter_link_open(struct milter_link *link);
/* What is asked from now on may take ten times the limit in all, whatever the other side says. */
void milter_link_begin(struct milter_link *link);
/* Whether the limit has passed since. */
bool milter_link_is_slow(const struct milter_link *link);
/* Whether the other side has gone, or has said something that nobody asked for; waits for nothing.
 */
bool milter_link_is_stale(struct milter_link *link);
/* Sends what is in .out, if that is much or all of it is wanted. */
struct outcome milter_link_send(struct milter_link *link, bool all);
/* Sends all of .out, then waits for a packet; its data stay until the next one. */
struct outcome milter_link_ask(struct milter_link *link, char *kind);
/* Waits for one more packet. */
struct outcome milter_link_take(struct milter_link *link, char *kind);
/* Sends what is in .out, without waiting for long, and closes. May be called twice. */
void milter_link_close(struct milter_link *link);

#endif

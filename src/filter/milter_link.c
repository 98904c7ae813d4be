/* See milter_link.h. */
#include "filter/milter_link.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/host.h"
#include "filter/milter_packet.h"
#include "net/dial.h"

enum {
    SENT_AT = 65536,      /* bytes of packets that are sent together */
    PATIENCE = 10,        /* times the limit */
    LEAVE_TAKING_MS = 500 /* for the last words */
};

/* Milliseconds for what comes next. */
static int64_t left(const struct milter_link *link)
{
    int64_t left = link->began + PATIENCE * link->limit - clock_ms();
    return left > link->limit ? link->limit : left > 0 ? left : 0;
}

void milter_link_begin(struct milter_link *link)
{
    link->began = clock_ms();
}

bool milter_link_is_slow(const struct milter_link *link)
{
    return clock_ms() - link->began >= link->limit;
}

/* ---- opening ---- */

static struct outcome connect_internet(struct milter_link *link, const char *address, int *fd)
{
    struct host host;
    const char *why;
    struct addrinfo *addresses;
    if (!host_parse(address, &host, &why))
        return outcome_later("4.3.5", "%s", why);
    struct outcome outcome = dial_resolve(host.name, host.port, false, &addresses);
    int64_t deadline = clock_ms() + link->limit;
    for (const struct addrinfo *one = addresses; one; one = one->ai_next) {
        int64_t time = deadline - clock_ms();
        outcome = dial_connect(one, host.name, time > 0 ? (int)time : 0, fd);
        if (outcome_good(&outcome))
            break;
    }
    if (addresses)
        freeaddrinfo(addresses);
    free(host.name);
    return outcome;
}

struct outcome milter_link_open(struct milter_link *link)
{
    static const char unix_prefix[] = "unix:", inet_prefix[] = "inet:";
    int fd = -1;
    milter_link_close(link);
    struct outcome outcome =
        text_starts(link->name, unix_prefix)
            ? dial_connect_local(link->name + strlen(unix_prefix), (int)link->limit, &fd)
            : connect_internet(link, link->name + strlen(inet_prefix), &fd);
    if (!outcome_good(&outcome))
        return outcome;
    stream_open(&link->stream, fd);
    link->is_open = true;
    return outcome;
}

bool milter_link_is_stale(struct milter_link *link)
{
    return link->stream.broken || stream_waiting(&link->stream);
}

/* ---- packets ---- */

static struct outcome trouble(const struct milter_link *link, const char *when)
{
    return stream_trouble(&link->stream, "it", when);
}

struct outcome milter_link_send(struct milter_link *link, bool all)
{
    struct buffer *out = &link->out;
    if (out->length == 0 || (!all && out->length < SENT_AT))
        return outcome_done();
    stream_allow(&link->stream, left(link));
    bool sent = stream_write(&link->stream, out->data, out->length);
    buffer_clear(out);
    return sent ? outcome_done() : trouble(link, "while it was spoken to");
}

/* So many bytes, behind the buffer. */
static bool take(struct milter_link *link, size_t length, struct buffer *bytes)
{
    const char *data;
    size_t count;
    while (length && stream_block(&link->stream, &data, &count)) {
        if (count > length)
            count = length;
        buffer_append(bytes, data, count);
        stream_skip(&link->stream, count);
        length -= count;
    }
    return length == 0;
}

struct outcome milter_link_take(struct milter_link *link, char *kind)
{
    struct buffer *in = &link->in;
    int64_t time = left(link);
    /* One that says without end that it is at work, say. */
    if (time == 0)
        return outcome_later("4.4.2", "it took too long in all");
    stream_allow(&link->stream, time);
    buffer_clear(in);
    if (!take(link, 4, in))
        return trouble(link, "instead of an answer");
    uint32_t length = milter_number(in->data);
    if (length == 0 || length > MILTER_LONGEST)
        return outcome_later("4.3.0", "it says that its answer has %lu bytes",
                             (unsigned long)length);
    buffer_clear(in);
    if (!take(link, 1, in))
        return trouble(link, "within an answer");
    *kind = in->data[0];
    buffer_clear(in);
    return take(link, length - 1, in) ? outcome_done() : trouble(link, "within an answer");
}

struct outcome milter_link_ask(struct milter_link *link, char *kind)
{
    if (milter_link_is_stale(link) && link->stream.start < link->stream.end)
        return outcome_later("4.3.0", "it answers without being asked");
    struct outcome outcome = milter_link_send(link, true);
    return outcome_good(&outcome) ? milter_link_take(link, kind) : outcome;
}

void milter_link_close(struct milter_link *link)
{
    if (link->is_open) {
        stream_allow(&link->stream, LEAVE_TAKING_MS);
        if (link->out.length)
            (void)stream_write(&link->stream, link->out.data, link->out.length);
        stream_close(&link->stream);
    }
    link->is_open = false;
    buffer_free(&link->out);
    buffer_free(&link->in);
}

/*
 * The relaxed body (see dkim_body.h). Remembers numbers, not bytes, of what may or may not count,
 * so that a body of nothing but empty lines takes no memory. Knows nothing of hashes.
 */
#include "mail/dkim_body.h"

#include <string.h>

static void hand_on(struct dkim_body *body)
{
    if (body->used)
        body->sink(body->context, body->block, body->used);
    body->used = 0;
}

static void put(struct dkim_body *body, const char *data, size_t length)
{
    while (length) {
        size_t room = sizeof body->block - body->used;
        size_t part = length < room ? length : room;
        memcpy(body->block + body->used, data, part);
        body->used += part;
        data += part;
        length -= part;
        if (body->used == sizeof body->block)
            hand_on(body);
    }
}

static void end_lines(struct dkim_body *body)
{
    for (; body->ends; body->ends--)
        put(body, "\r\n", 2);
}

static bool is_text(char c)
{
    return c != ' ' && c != '\t' && c != '\r' && c != '\n';
}

void dkim_body_put(struct dkim_body *body, const char *data, size_t length)
{
    const char *end = data + length;
    while (data < end) {
        const char *stop = data;
        while (stop < end && is_text(*stop))
            stop++;
        if (stop > data) {
            end_lines(body);
            if (body->blank)
                put(body, " ", 1);
            body->blank = false;
            body->filled = true;
            put(body, data, (size_t)(stop - data));
        }
        for (data = stop; data < end && !is_text(*data); data++) {
            body->ends += *data == '\n';
            body->blank = *data == ' ' || *data == '\t' || (body->blank && *data == '\r');
        }
    }
}

/* The last line that counts has its end, whether or not that came. */
void dkim_body_end(struct dkim_body *body)
{
    if (body->filled)
        put(body, "\r\n", 2);
    hand_on(body);
}

/*
 * Reads a header by pieces of its lines: memory is bounded by what Delivered-To fields hold. Knows
 * two fields; must never know what happens to a message that loops.
 */
#include "run/loop.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "mail/mime_reader.h"

enum { MOST_MARKS = 1000 /* a message with more of them has looped for long */ };

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* The length of the field name that the line begins with, up to its colon; 0: it has none. */
static size_t name_length(const struct piece *piece)
{
    size_t length = 0;
    while (length < piece->length && piece->data[length] > ' ' && piece->data[length] < 127 &&
           piece->data[length] != ':')
        length++;
    size_t colon = length;
    while (colon < piece->length && is_space(piece->data[colon]))
        colon++;
    return colon < piece->length && piece->data[colon] == ':' ? length : 0;
}

static bool is_named(const struct piece *piece, size_t length, const char *name)
{
    return strlen(name) == length && strncasecmp(piece->data, name, length) == 0;
}

static void add_mark(struct loop_trace *trace, struct buffer *body)
{
    const char *why;
    if (body->length && !body->failed && trace->been_count < MOST_MARKS) {
        text_clean(body->data);
        trace->been = memory_resize(trace->been, (trace->been_count + 1) * sizeof *trace->been);
        struct address *been = &trace->been[trace->been_count];
        trace->been_count += address_parse(text_trim(body->data), been, &why);
    }
    buffer_clear(body);
}

struct outcome loop_read(const struct letter *letter, struct loop_trace *trace)
{
    *trace = (struct loop_trace){0};
    struct reader reader = {.fd = letter->fd, .start = letter->start, .size = letter->size};
    struct buffer body = {.limit = 2048}; /* of the Delivered-To field that is being read */
    struct piece piece;
    bool in_mark = false;
    while (reader_next(&reader, &piece)) {
        if (piece.first && !is_space(piece.data[0])) {
            size_t length = name_length(&piece);
            if (!length)
                break;
            add_mark(trace, &body);
            trace->hosts += is_named(&piece, length, "Received");
            in_mark = is_named(&piece, length, "Delivered-To");
            if (in_mark) {
                const char *colon = memchr(piece.data, ':', piece.length);
                buffer_append(&body, colon + 1, piece.length - (size_t)(colon + 1 - piece.data));
            }
        } else if (in_mark) {
            buffer_append(&body, piece.data, piece.length);
        }
    }
    add_mark(trace, &body);
    struct outcome outcome = reader.error
                                 ? outcome_errno(reader.error, "cannot read message %s", letter->id)
                                 : outcome_done();
    buffer_free(&body);
    reader_free(&reader);
    return outcome;
}

void loop_free(struct loop_trace *trace)
{
    for (size_t i = 0; i < trace->been_count; i++)
        address_free(&trace->been[i]);
    free(trace->been);
    *trace = (struct loop_trace){0};
}

struct outcome loop_check_hosts(const struct loop_trace *trace, unsigned most)
{
    if (trace->hosts <= most)
        return outcome_done();
    return outcome_never("5.4.6",
                         "the message has passed %zu hosts, more than the %u of max_hops: it runs "
                         "in a mail loop",
                         trace->hosts, most);
}

static bool is_same(const struct address *one, const struct address *other, const char *hostname)
{
    return text_equal(one->local, other->local) &&
           text_equal(one->domain ? one->domain : hostname,
                      other->domain ? other->domain : hostname);
}

struct outcome loop_check_address(const struct loop_trace *trace, const struct address *address,
                                  const char *hostname)
{
    struct outcome outcome = outcome_done();
    if (address_is_null(address))
        return outcome;
    for (size_t i = 0; i < trace->been_count && outcome_good(&outcome); i++) {
        if (address_is_null(&trace->been[i]) || !is_same(&trace->been[i], address, hostname))
            continue;
        char *before = address_text(&trace->been[i]);
        outcome = outcome_never("5.4.6",
                                "the message has been at %s before, as its Delivered-To field "
                                "says, and came back: it runs in a mail loop",
                                before);
        free(before);
    }
    return outcome;
}

void loop_put_mark(const struct address *address, const char *hostname, struct buffer *text)
{
    if (address_needs_smtputf8(address))
        return;
    struct address whole = address_copy(address);
    address_qualify(&whole, hostname);
    buffer_append_text(text, "Delivered-To: ");
    address_format(&whole, text);
    buffer_append_byte(text, '\n');
    address_free(&whole);
}

/* The message itself: header, body and end as one milter wants them, and what it then wants
 * changed.
 */
#include "filter/milter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "filter/milter_changes.h"
#include "filter/milter_talk.h"

enum { MACROS_FROM = 6 /* the version that knows macros at the end of the header */ };

/* Over-long lines folded, as they go into the queue: a signature is to fit that. */
static void put_field(struct milter *milter, const struct field *field)
{
    struct buffer *out = &milter->link.out, text = {0};
    header_fold(field->text, field->length, &text);
    const char *body = strchr(text.data, ':') + 1, *end = text.data + text.length;
    if (*body == ' ' && !milter_leaves_out(milter, MILTER_LEADING_SPACE))
        body++;
    while (end > body && end[-1] == '\n')
        end--;
    size_t place = milter_open(out, MILTER_HEADER), begin = out->length;
    size_t name = field->name_length < LINE_LONGEST ? field->name_length : LINE_LONGEST;
    buffer_append(out, field->text, name);
    buffer_append_byte(out, '\0');
    /* It gets the beginning of what no packet holds. */
    size_t room = MILTER_CHUNK - 1 - (out->length - begin);
    size_t length = (size_t)(end - body);
    buffer_append(out, body, length < room ? length : room);
    buffer_append_byte(out, '\0');
    milter_close(out, place);
    buffer_free(&text);
}

static struct outcome tell_header(struct milter *milter, const struct header *header)
{
    struct outcome outcome = outcome_done();
    bool skips = milter_leaves_out(milter, MILTER_NO_HEADER);
    for (size_t i = 0; i < header->count && milter->is_asked && !skips; i++) {
        put_field(milter, &header->fields[i]);
        outcome = milter_ask(milter, MILTER_SILENT_HEADER, OF_MESSAGE, &skips);
    }
    return outcome;
}

static struct outcome tell_end_of_header(struct milter *milter, const struct milter_facts *facts)
{
    if (milter->options.version >= MACROS_FROM)
        milter_put_stage(milter, STAGE_END_OF_HEADER, MILTER_END_OF_HEADER, facts);
    if (milter_leaves_out(milter, MILTER_NO_END_OF_HEADER))
        return outcome_done();
    milter_put(&milter->link.out, MILTER_END_OF_HEADER);
    return milter_ask(milter, MILTER_SILENT_END_OF_HEADER, OF_MESSAGE, NULL);
}

/* The next part of the body, of which at most a packet's worth is sent. */
static struct outcome tell_chunk(struct milter *milter, struct buffer *chunk, bool *skips)
{
    size_t length = chunk->length < MILTER_CHUNK ? chunk->length : MILTER_CHUNK;
    size_t place = milter_open(&milter->link.out, MILTER_BODY);
    buffer_append(&milter->link.out, chunk->data, length);
    milter_close(&milter->link.out, place);
    chunk->length -= length;
    memmove(chunk->data, chunk->data + length, chunk->length);
    return milter_ask(milter, MILTER_SILENT_BODY, OF_MESSAGE, skips);
}

/* With the line ends of the wire. */
static void add_lines(struct buffer *chunk, const char *data, size_t length)
{
    while (length) {
        const char *newline = memchr(data, '\n', length);
        size_t size = newline ? (size_t)(newline - data) : length;
        buffer_append(chunk, data, size);
        if (newline)
            buffer_append(chunk, "\r\n", 2);
        size += newline != NULL;
        data += size;
        length -= size;
    }
}

static struct outcome tell_body(struct milter *milter, const struct held *held)
{
    struct outcome outcome = outcome_done();
    bool skips = milter_leaves_out(milter, MILTER_NO_BODY);
    struct buffer chunk = {0};
    char *block = memory_block(FILE_BLOCK), last = '\n';
    off_t at = 0;
    ssize_t count = 1;
    while (count > 0 && milter->is_asked && !skips) {
        count = file_read_at(held->body.fd, block, FILE_BLOCK, at);
        if (count < 0)
            outcome = outcome_errno(errno, "cannot read what was held");
        if (count > 0) {
            add_lines(&chunk, block, (size_t)count);
            last = block[count - 1];
            at += count;
        } else if (last != '\n') {
            /* As it goes into the queue. */
            add_lines(&chunk, "\n", 1);
            last = '\n';
        }
        while (milter->is_asked && !skips && outcome_good(&outcome) &&
               (chunk.length >= MILTER_CHUNK || (count == 0 && chunk.length)))
            outcome = tell_chunk(milter, &chunk, &skips);
    }
    free(block);
    buffer_free(&chunk);
    return outcome;
}

/* What is wanted changed, and then the last word. */
static struct outcome hear_end(struct milter *milter, struct held *held)
{
    struct milter_changes changes = {.settings = milter->settings,
                                     .leading_space =
                                         milter_leaves_out(milter, MILTER_LEADING_SPACE)};
    const struct buffer *in = &milter->link.in;
    char kind;
    struct outcome outcome = milter_await(milter, false, &kind);
    while (outcome_good(&outcome) && milter_is_change(kind)) {
        outcome = milter_changes_take(&changes, held, kind, in->data, in->length);
        if (outcome_good(&outcome))
            outcome = milter_await(milter, true, &kind);
    }
    if (!outcome_good(&outcome)) {
        outcome = milter_fail(milter, &outcome);
    } else {
        outcome = milter_hear(milter, kind, OF_MESSAGE);
        bool is_heard = milter->link.is_open && !milter->discards;
        milter->is_asked = false;
        if (outcome_good(&outcome) && is_heard)
            outcome = milter_changes_apply(&changes, held, milter->link.name);
    }
    milter_changes_free(&changes);
    return outcome;
}

struct outcome milter_message(struct milter *milter, const struct milter_facts *facts,
                              struct held *held)
{
    struct outcome outcome = outcome_done();
    if (!milter->is_asked)
        return outcome;
    reply_free(&milter->reply);
    milter_link_begin(&milter->link);
    outcome = tell_header(milter, held->header);
    if (milter->is_asked && outcome_good(&outcome))
        outcome = tell_end_of_header(milter, facts);
    if (milter->is_asked && outcome_good(&outcome))
        outcome = tell_body(milter, held);
    if (!milter->is_asked || !outcome_good(&outcome))
        return outcome;
    milter_put_stage(milter, STAGE_END, MILTER_END, facts);
    milter_put(&milter->link.out, MILTER_END);
    return hear_end(milter, held);
}

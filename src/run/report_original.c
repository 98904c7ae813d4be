/*
 * What a report gives back: the message, where a failure asks for it and its size allows, else its
 * header (RFC 3461 4.3, 6.2), each in a type that can carry it (RFC 3462, 6533). Must never know
 * why the report is made. The header is made clean; the whole message is as it was.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/mime_content.h"
#include "mail/mime_reader.h"
#include "run/report.h"

enum {
    WHOLE_LIMIT = 50000, /* bytes; larger messages come back as their header */
    HEADER_LIMIT = 65536 /* bytes of header; the rest is left out */
};

static struct outcome read_error(const struct report *report, int error)
{
    return outcome_errno(error, "cannot read message %s", report->letter->id);
}

/* The lines before the empty one, as far as the limit allows. */
static struct outcome read_header(const struct report *report, struct buffer *header)
{
    const struct letter *letter = report->letter;
    struct reader reader = {.fd = letter->fd, .start = letter->start, .size = letter->size};
    struct piece piece;
    while (reader_next(&reader, &piece) && !(piece.first && piece.data[0] == '\n') &&
           header->length + piece.length <= HEADER_LIMIT)
        buffer_append(header, piece.data, piece.length);
    int error = reader.error;
    reader_free(&reader);
    if (header->length && header->data[header->length - 1] != '\n')
        buffer_append_byte(header, '\n');
    return error ? read_error(report, error) : outcome_done();
}

/* No control characters but line ends and tabs; UTF-8 or else ASCII; lines that may travel. */
static void clean_header(struct buffer *header, bool utf8)
{
    for (size_t i = 0; i < header->length; i++) {
        unsigned char c = (unsigned char)header->data[i];
        if (c == '\0' || c == 127 || (c < ' ' && c != '\n' && c != '\t') || (c > 127 && !utf8))
            header->data[i] = c == '\r' ? ' ' : '?';
    }
    struct buffer folded = {0};
    header_fold(header->data, header->length, &folded);
    buffer_free(header);
    *header = folded;
}

static bool note_content(void *context, const char *data, size_t length)
{
    content_add(context, data, length);
    return true;
}

/* NUL or long lines: the whole only if a form can be made that travels. */
static void try_converted(const struct letter *letter, struct original *original)
{
    struct content content = {0};
    struct outcome outcome =
        mime_convert(MIME_7BIT, letter->fd, letter->start, letter->size, note_content, &content);
    original->form = outcome_good(&outcome) && !content.nul && !content.long_line
                         ? ORIGINAL_CONVERTED
                         : ORIGINAL_HEADER;
    original->eight_bit = content.eight_bit;
}

struct outcome report_choose_original(const struct report *report, struct original *original)
{
    const struct letter *letter = report->letter;
    *original = (struct original){.form = ORIGINAL_HEADER};
    struct outcome outcome = read_header(report, &original->header);
    if (!outcome_good(&outcome))
        return outcome;
    const char *header = buffer_text(&original->header);
    bool ascii = true;
    for (size_t i = 0; i < original->header.length; i++)
        ascii = ascii && (unsigned char)header[i] < 128;
    original->global = !ascii && text_is_utf8(header, original->header.length);
    if (report->kind == NOTIFY_FAILURE && letter->envelope.ret != RETURN_HEADERS &&
        letter->size <= WHOLE_LIMIT) {
        original->form = ORIGINAL_WHOLE;
        original->eight_bit = letter->eight_bit;
        if (letter->not_8bit)
            try_converted(letter, original);
    }
    if (original->form == ORIGINAL_CONVERTED)
        original->global = false;
    if (original->form == ORIGINAL_HEADER) {
        clean_header(&original->header, original->global);
        original->eight_bit = original->global;
    }
    return outcome;
}

static struct outcome put_whole(const struct report *report, struct draft *draft)
{
    const struct letter *letter = report->letter;
    char *block = memory_block(FILE_BLOCK);
    struct outcome outcome = outcome_done();
    for (uint64_t at = 0; at < letter->size && outcome_good(&outcome);) {
        ssize_t count = file_read_at(letter->fd, block, FILE_BLOCK, letter->start + (off_t)at);
        if (count > 0)
            draft_put(draft, block, (size_t)count);
        else
            outcome = read_error(report, count < 0 ? errno : EIO);
        at += count > 0 ? (uint64_t)count : 0;
    }
    free(block);
    return outcome;
}

static bool put_converted(void *context, const char *data, size_t length)
{
    return draft_put(context, data, length);
}

struct outcome report_put_original(const struct report *report, const struct original *original,
                                   struct draft *draft)
{
    const struct letter *letter = report->letter;
    bool whole = original->form != ORIGINAL_HEADER;
    const char *type = whole              ? original->global ? "message/global" : "message/rfc822"
                       : original->global ? "message/global-headers"
                                          : "text/rfc822-headers";
    struct buffer head = {0};
    buffer_format(&head, "Content-Description: %s\nContent-Type: %s\n%s\n",
                  whole ? "Your message" : "Header of your message", type,
                  original->eight_bit ? "Content-Transfer-Encoding: 8bit\n" : "");
    draft_put(draft, head.data, head.length);
    buffer_free(&head);
    if (original->form == ORIGINAL_WHOLE)
        return put_whole(report, draft);
    if (original->form == ORIGINAL_CONVERTED)
        return mime_convert(MIME_7BIT, letter->fd, letter->start, letter->size, put_converted,
                            draft);
    draft_put(draft, buffer_text(&original->header), original->header.length);
    return outcome_done();
}

void report_free_original(struct original *original)
{
    buffer_free(&original->header);
}

/*
 * A message as a signature sees it, and a record as the DNS may have it: what is signed does not
 * depend on where blocks end, what is made of it is stable, and the field can be folded lines only.
 */
#include <unistd.h>

#include "fuzz.h"
#include "mail/dkim_body.h"
#include "mail/dkim_header.h"
#include "mail/dkim_record.h"
#include "mail/dkim_signature.h"
#include "run/smtp_body.h"

static void append(void *context, const char *data, size_t length)
{
    buffer_append(context, data, length);
}

static void relax(const char *data, size_t length, size_t piece, struct buffer *out)
{
    struct dkim_body body = {.sink = append, .context = out};
    while (length) {
        size_t part = length < piece ? length : piece;
        dkim_body_put(&body, data, part);
        data += part;
        length -= part;
    }
    dkim_body_end(&body);
}

static void must_be_same(const struct buffer *one, const struct buffer *other)
{
    must(one->length == other->length);
    must(!one->length || memcmp(one->data, other->data, one->length) == 0);
}

/* RFC 6376 3.4.4: no white space at a line's end, no empty line at the end. */
static void must_be_relaxed(const struct buffer *body)
{
    const char *text = body->data;
    for (size_t i = 0; i < body->length; i++) {
        must(text[i] != '\t');
        must(text[i] != '\r' || (i + 1 < body->length && text[i + 1] == '\n'));
        if (i && (text[i] == '\r' || text[i] == ' '))
            must(text[i - 1] != ' ');
    }
    must(body->length != 2 && body->length != 1);
    if (body->length)
        must(memcmp(text + body->length - 2, "\r\n", 2) == 0 && text[body->length - 3] != '\n');
}

static void try_body(const char *data, size_t size)
{
    struct smtp_encoder encoder = {.plain = true};
    struct buffer wire = {0}, whole = {0}, pieces = {0}, again = {0};
    smtp_encode(&encoder, data, size, &wire);
    smtp_encode_end(&encoder, &wire);
    must(encoder.size == wire.length);
    if (wire.length)
        relax(wire.data, wire.length, wire.length, &whole);
    relax(buffer_text(&wire), wire.length, 1 + size % 7, &pieces);
    must_be_same(&whole, &pieces);
    must_be_relaxed(&whole);
    must(whole.length <= wire.length);
    relax(buffer_text(&whole), whole.length, 4096, &again);
    must_be_same(&whole, &again);
    buffer_free(&wire);
    buffer_free(&whole);
    buffer_free(&pieces);
    buffer_free(&again);
}

static void try_field(const struct field *field)
{
    struct buffer once = {0}, twice = {0};
    dkim_relax_field(field->text, field->length, &once);
    must(once.length >= 3 && memcmp(once.data + once.length - 2, "\r\n", 2) == 0);
    must(!memchr(once.data, '\n', once.length - 1) && !memchr(once.data, '\t', once.length));
    dkim_relax_field(once.data, once.length, &twice);
    must_be_same(&once, &twice);
    buffer_free(&once);
    buffer_free(&twice);
}

static void try_signature(const struct header *header)
{
    struct dkim_cover cover = {0};
    struct buffer field = {0}, input = {0};
    dkim_cover_choose(&cover, header);
    must(cover.count <= header->count + 13);
    const struct dkim_signature signature = {.algorithm = "rsa-sha256",
                                             .domain = "example.org",
                                             .selector = "mail",
                                             .cover = &cover,
                                             .body_hash = "aaaa"};
    dkim_signature_begin(&signature, &field);
    dkim_signature_input(&cover, &field, &input);
    must(input.length && input.data[input.length - 1] == '=');
    dkim_signature_end("bbbb", &field);
    for (const char *line = field.data; *line; line = strchr(line, '\n') + 1)
        must(strcspn(line, "\n") <= 76 && (line == field.data || *line == ' '));
    buffer_free(&field);
    buffer_free(&input);
    dkim_cover_free(&cover);
}

/* Whatever it says, it is either this key's or has a fault; and ours has none. */
static void try_record(const uint8_t *data, size_t size)
{
    static const struct dkim_record record = {"mail", "example.org", "ed25519", "AAAA"};
    char *text = fuzz_text(data, size);
    struct texts found = {0}, own = {0};
    struct buffer value = {0};
    texts_add(&found, text);
    const char *fault = dkim_record_fault(&record, &found);
    must(fault || (strstr(text, "p") && strstr(text, "k")));
    dkim_record_value(&record, &value);
    texts_add(&own, value.data);
    must(!dkim_record_fault(&record, &own));
    texts_free(&found);
    texts_free(&own);
    buffer_free(&value);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct header header = {0};
    size_t at = 0;
    while (at < size) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - text) + 1 - at : size - at;
        if (!header_take_line(&header, text + at, length))
            break;
        at += length;
    }
    for (size_t i = 0; i < header.count; i++)
        try_field(&header.fields[i]);
    try_signature(&header);
    header_free(&header);
    try_body(text + at, size - at);
    try_record(data, size);
    return 0;
}

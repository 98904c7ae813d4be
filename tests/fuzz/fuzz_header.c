/*
 * The header of a message: its bytes come out as they went in, and what is made of it for the way
 * is lines that may travel, whatever is in it.
 */
#include <unistd.h>

#include "fuzz.h"
#include "mail/complete.h"
#include "mail/header.h"
#include "mail/mime_field.h"
#include "mail/mime_type.h"

static void must_travel(const struct buffer *text, bool seven_bit)
{
    size_t column = 0;
    for (size_t i = 0; i < text->length; i++) {
        must(!seven_bit || (text->data[i] && (unsigned char)text->data[i] < 128));
        column = text->data[i] == '\n' ? 0 : column + 1;
        /* A word of that length cannot be folded unless it is encoded. */
        must(!seven_bit || column <= LINE_LONGEST);
    }
}

/* How many bytes of the message are header; *swallowed: of a mbox line in front of its fields. */
static size_t take_lines(const char *data, size_t size, struct header *header, size_t *swallowed)
{
    size_t at = 0;
    while (at < size) {
        const char *end = memchr(data + at, '\n', size - at);
        size_t length = end ? (size_t)(end - data) + 1 - at : size - at;
        if (!header_take_line(header, data + at, length))
            break;
        at += length;
        if (header->count == 0)
            *swallowed = at;
    }
    return at;
}

static void must_keep(const char *data, size_t at, size_t taken, const struct header *header)
{
    for (size_t i = 0; i < header->count; i++) {
        const struct field *field = &header->fields[i];
        must(field->name_length < field->length && field->text[field->length - 1] == '\n');
        must(strlen(field->text) <= field->length);
        size_t rest = taken - at;
        size_t same = field->length <= rest ? field->length : field->length - 1;
        must(same <= rest && memcmp(data + at, field->text, same) == 0);
        at += same;
    }
    must(at == taken);
}

static void complete(struct header *header)
{
    static const struct address from = {.local = (char *)"ops", .domain = (char *)"example.org"};
    struct completion completion = {
        .hostname = "mail.example.org",
        .sender_domain = "example.org",
        .recipient_domain = "example.org",
        .full_name = "Op\xC3\xA9rateur",
        .from = &from,
        .received_from = "client.example.org ([192.0.2.1])",
        .protocol = "ESMTPSA",
        .id = "0123456789",
        .now = 1795000000,
    };
    complete_header(header, &completion);
    complete_received(header, 0, &completion);
    must(header->count && field_is(&header->fields[0], "Received"));
    bool resent = header_find(header, "Resent-From", 0) < header->count;
    must(resent || header_find(header, "From", 0) < header->count);
    must(resent || header_find(header, "Date", 0) < header->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct header header = {0};
    size_t swallowed = 0, taken = take_lines((const char *)data, size, &header, &swallowed);
    must_keep((const char *)data, swallowed, taken, &header);

    struct buffer text = {0};
    for (size_t i = 0; i < header.count; i++)
        mime_format_field(&header.fields[i], false, &text);
    must_travel(&text, true);
    buffer_clear(&text);
    header_format(&header, &text);
    must_travel(&text, false);
    buffer_free(&text);

    struct mime_type type = mime_type_of(&header, size & 1);
    must(type.kind != MIME_MULTIPART || type.boundary);
    mime_type_free(&type);

    struct envelope envelope = {0};
    struct outcome outcome = complete_recipients(&header, "example.org", &envelope, 0);
    for (size_t i = 0; i < envelope.count; i++)
        must_last(&envelope.recipients[i].address);
    if (!outcome_good(&outcome))
        must_be_clean(outcome.reason);
    envelope_free(&envelope);
    complete(&header);
    header_free(&header);
    return 0;
}

/*
 * A message as a signature sees it, and a record as the DNS may have it, against second readings of
 * RFC 6376 3.4.2, 3.4.4 and 3.6.1 that look at all of it at once: the same bytes, wherever blocks
 * end, and the same opinion of the record. We sign "relaxed" alone. What is made of it is stable,
 * and the field can be folded lines only.
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

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A text without its blanks at both ends, those within it being one space. */
static void append_squeezed(struct buffer *out, const char *text, size_t length)
{
    while (length && is_blank(text[length - 1]))
        length--;
    size_t at = 0;
    while (at < length && is_blank(text[at]))
        at++;
    for (; at < length; at++)
        if (!is_blank(text[at]))
            buffer_append_byte(out, text[at]);
        else if (!is_blank(text[at - 1]))
            buffer_append_byte(out, ' ');
}

static void cut_to(struct buffer *text, size_t length)
{
    text->length = length;
    if (text->data)
        text->data[length] = '\0';
}

/* The body of a message whose lines end with CR, LF or CRLF. */
static void read_body(const char *data, size_t size, struct buffer *out)
{
    size_t filled = 0; /* up to the end of the last line that is not empty */
    for (size_t at = 0; at < size;) {
        size_t end = at;
        while (end < size && data[end] != '\r' && data[end] != '\n')
            end++;
        if (end > at && is_blank(data[at]))
            buffer_append_byte(out, ' ');
        size_t before = out->length;
        append_squeezed(out, data + at, end - at);
        bool is_empty = out->length == before;
        if (is_empty && end > at)
            cut_to(out, before - 1);
        buffer_append(out, "\r\n", 2);
        if (!is_empty)
            filled = out->length;
        at = end + 1;
        if (at < size && data[end] == '\r' && data[at] == '\n')
            at++;
    }
    cut_to(out, filled);
}

/* A field of whatever lines. */
static void read_field(const struct field *field, struct buffer *out)
{
    struct buffer text = {0};
    for (size_t i = 0; i < field->length; i++)
        if (field->text[i] != '\r' && field->text[i] != '\n')
            buffer_append_byte(&text, field->text[i]);
    const char *colon = memchr(text.data, ':', text.length);
    must(colon);
    size_t name = (size_t)(colon - text.data);
    append_squeezed(out, text.data, name);
    for (size_t i = 0; i < out->length; i++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", out->data[i]))
            out->data[i] += 'a' - 'A';
    buffer_append_byte(out, ':');
    append_squeezed(out, colon + 1, text.length - name - 1);
    buffer_append(out, "\r\n", 2);
    buffer_free(&text);
}

static void try_body(const char *data, size_t size)
{
    struct smtp_encoder encoder = {.plain = true};
    struct buffer wire = {0}, whole = {0}, pieces = {0}, again = {0}, second = {0};
    smtp_encode(&encoder, data, size, &wire);
    smtp_encode_end(&encoder, &wire);
    must(encoder.size == wire.length);
    if (wire.length)
        relax(wire.data, wire.length, wire.length, &whole);
    relax(buffer_text(&wire), wire.length, 1 + size % 7, &pieces);
    must_be_same(&whole, &pieces);
    read_body(data, size, &second);
    must_be_same(&whole, &second);
    must(whole.length <= wire.length);
    relax(buffer_text(&whole), whole.length, 4096, &again);
    must_be_same(&whole, &again);
    buffer_free(&wire);
    buffer_free(&whole);
    buffer_free(&pieces);
    buffer_free(&again);
    buffer_free(&second);
}

static void try_field(const struct field *field)
{
    struct buffer once = {0}, twice = {0}, second = {0};
    dkim_relax_field(field->text, field->length, &once);
    read_field(field, &second);
    must_be_same(&once, &second);
    dkim_relax_field(once.data, once.length, &twice);
    must_be_same(&once, &twice);
    buffer_free(&once);
    buffer_free(&twice);
    buffer_free(&second);
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

static bool is_white(char c)
{
    return is_blank(c) || c == '\r' || c == '\n';
}

enum { VERSION, TYPE, KEY, HASHES, SERVICES, FLAGS, TAGS };

/* The tags that mean something, each at most once, without white space; false: no list of tags. */
static bool read_tags(const char *text, struct buffer values[TAGS], bool found[TAGS])
{
    static const char names[] = "vkphst";
    for (size_t number = 0;; number++) {
        size_t length = strcspn(text, ";"), from = 0, equals = strcspn(text, "=;"), end = equals;
        bool is_last = !text[length];
        while (from < length && is_white(text[from]))
            from++;
        if (from == length)
            return is_last && number > 0;
        while (end > from && is_white(text[end - 1]))
            end--;
        if (equals == length || end == from)
            return false;
        const char *name = end - from == 1 ? strchr(names, text[from]) : NULL;
        if (name) {
            size_t tag = (size_t)(name - names);
            if (found[tag] || (tag == VERSION && number > 0))
                return false;
            found[tag] = true;
            for (size_t i = equals + 1; i < length; i++)
                if (!is_white(text[i]))
                    buffer_append_byte(&values[tag], text[i]);
        }
        if (is_last)
            return true;
        text += length + 1;
    }
}

/* Whether the word is one of a list that colons part. */
static bool has_word(struct buffer *list, const char *word)
{
    struct buffer padded = {0}, wanted = {0};
    buffer_format(&padded, ":%s:", buffer_text(list));
    buffer_format(&wanted, ":%s:", word);
    bool has = strstr(padded.data, wanted.data) != NULL;
    buffer_free(&padded);
    buffer_free(&wanted);
    return has;
}

/* Whether verifiers take it for this ed25519 key, for mail, in earnest. */
static bool is_good_record(const char *text, const char *key)
{
    struct buffer values[TAGS] = {0};
    bool found[TAGS] = {0};
    bool good = read_tags(text, values, found);
    good = good && (!found[VERSION] || strcmp(buffer_text(&values[VERSION]), "DKIM1") == 0);
    good = good && found[TYPE] && strcmp(buffer_text(&values[TYPE]), "ed25519") == 0;
    good = good && found[KEY] && strcmp(buffer_text(&values[KEY]), key) == 0;
    good = good && (!found[HASHES] || has_word(&values[HASHES], "sha256"));
    good = good && (!found[SERVICES] || has_word(&values[SERVICES], "email") ||
                    has_word(&values[SERVICES], "*"));
    good = good && !(found[FLAGS] && has_word(&values[FLAGS], "y"));
    for (size_t i = 0; i < TAGS; i++)
        buffer_free(&values[i]);
    return good;
}

/* It has no fault just when it is this key's and is to be used; ours is. */
static void try_record(const uint8_t *data, size_t size)
{
    static const struct dkim_record record = {"mail", "example.org", "ed25519", "AAAA"};
    char *text = fuzz_text(data, size);
    struct texts found = {0}, own = {0};
    struct buffer value = {0};
    texts_add(&found, text);
    must(!dkim_record_fault(&record, &found) == is_good_record(text, record.key));
    dkim_record_value(&record, &value);
    texts_add(&own, value.data);
    must(!dkim_record_fault(&record, &own));
    texts_add(&own, text);
    must(dkim_record_fault(&record, &own));
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

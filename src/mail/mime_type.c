/*
 * Content-Type and Content-Transfer-Encoding as far as re-encoding needs them (RFC 2045 5.1, 6.1;
 * RFC 2046 5). What is doubtful comes out as opaque or unknown, which nobody changes. Never looks
 * at a body.
 */
#include "mail/mime_type.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "mail/scanner.h"

/* RFC 2046 5.1.1 allows 70; some make longer ones. */
enum { BOUNDARY_LONGEST = 200 };

static bool is_token(char c)
{
    return c > ' ' && c < 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

/* A token, white space and comments around it, behind the buffer in lower case. */
static bool scan_token(struct scanner *scanner, struct buffer *token)
{
    if (!scan_space(scanner))
        return false;
    size_t before = token->length;
    for (; is_token(scan_peek(scanner)); scanner->at++)
        buffer_append_byte(token, scan_peek(scanner));
    if (token->length == before)
        return false;
    text_lower(token->data + before);
    return scan_space(scanner);
}

/*
 * The value of a parameter. Scripts write "boundary=----=_Part_1" without the quotes that it needs,
 * and readers take it whole: a beginning of it alone would be found at places where no part ends.
 * What does not end as it should is cleared.
 */
static bool scan_value(struct scanner *scanner, struct buffer *value)
{
    if (scan_peek(scanner) == '"')
        return scan_quoted(scanner, value) && scan_space(scanner);
    bool proper = true;
    for (char c; is_token(c = scan_peek(scanner)) || (c && strchr("/:?=@<>[]", c)); scanner->at++) {
        proper = proper && is_token(c);
        buffer_append_byte(value, c);
    }
    bool cut = !proper && scan_peek(scanner) == '(';
    if (!scan_space(scanner))
        return false;
    if (cut || (scan_peek(scanner) && scan_peek(scanner) != ';'))
        buffer_clear(value);
    return true;
}

static bool scan_mark(struct scanner *scanner, char mark)
{
    if (scan_peek(scanner) != mark)
        return false;
    scanner->at++;
    return scan_space(scanner);
}

/* The parameter behind a ';'. What is not one is passed up to the next ';'; false at the end. */
static bool scan_parameter(struct scanner *scanner, struct buffer *name, struct buffer *value)
{
    buffer_clear(name);
    buffer_clear(value);
    while (scan_peek(scanner) && scan_peek(scanner) != ';')
        if (scan_peek(scanner) != '"')
            scanner->at++;
        else if (!scan_quoted(scanner, NULL))
            return false;
    if (!scan_mark(scanner, ';'))
        return false;
    if (!scan_token(scanner, name) || !scan_mark(scanner, '=') || !scan_value(scanner, value))
        buffer_clear(name);
    return !scanner->why;
}

static bool is_boundary(const char *text, size_t length)
{
    if (length == 0 || length > BOUNDARY_LONGEST)
        return false;
    for (; *text; text++)
        if (*text < ' ' || *text > 126)
            return false;
    return true;
}

static void read_parameters(struct scanner *scanner, struct mime_type *type)
{
    struct buffer name = {0}, value = {0};
    while (scan_parameter(scanner, &name, &value)) {
        if (text_equal(buffer_text(&name), "charset"))
            type->charset = true;
        if (type->boundary || !text_equal(buffer_text(&name), "boundary"))
            continue;
        while (value.length && value.data[value.length - 1] == ' ')
            value.data[--value.length] = '\0';
        if (is_boundary(buffer_text(&value), value.length))
            type->boundary = buffer_take(&value);
    }
    buffer_free(&name);
    buffer_free(&value);
}

static enum mime_kind kind_of(const char *name)
{
    static const struct {
        const char *pattern;
        enum mime_kind kind;
    } kinds[] = {
        {"multipart/signed", MIME_OPAQUE},      {"multipart/encrypted", MIME_OPAQUE},
        {"multipart/*", MIME_MULTIPART},        {"message/rfc822", MIME_MESSAGE},
        {"message/global", MIME_MESSAGE},       {"message/partial", MIME_OPAQUE},
        {"message/external-body", MIME_OPAQUE}, {"text/plain", MIME_TEXT},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (text_match(kinds[i].pattern, name))
            return kinds[i].kind;
    return MIME_LEAF;
}

static void read_type(const struct field *field, struct mime_type *type)
{
    struct scanner scanner = {.text = field_body(field)};
    struct buffer name = {0};
    /* Who reads on behind a NUL would see another type. */
    if (field_has_nul(field)) {
        type->kind = MIME_OPAQUE;
        return;
    }
    bool good = scan_token(&scanner, &name) && scan_mark(&scanner, '/');
    buffer_append_byte(&name, '/');
    good = good && scan_token(&scanner, &name);
    type->kind = good ? kind_of(buffer_text(&name)) : MIME_LEAF;
    type->digest = text_equal(buffer_text(&name), "multipart/digest");
    buffer_free(&name);
    if (good)
        read_parameters(&scanner, type);
}

static void read_encoding(const struct field *field, struct mime_type *type)
{
    static const struct {
        const char *name;
        enum mime_encoding encoding;
        bool wide;
    } encodings[] = {
        {"7bit", MIME_IDENTITY, false},  {"quoted-printable", MIME_QUOTED, false},
        {"8bit", MIME_IDENTITY, true},   {"base64", MIME_BASE64, false},
        {"binary", MIME_IDENTITY, true}, {"7-bit", MIME_IDENTITY, true},
        {"8-bit", MIME_IDENTITY, true}, /* with hyphens: as some write */
    };
    struct scanner scanner = {.text = field_body(field)};
    struct buffer name = {0};
    type->encoding = MIME_UNKNOWN;
    if (!field_has_nul(field) && scan_token(&scanner, &name) && !scan_peek(&scanner))
        for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++)
            if (text_equal(buffer_text(&name), encodings[i].name)) {
                type->encoding = encodings[i].encoding;
                type->wide = encodings[i].wide;
            }
    buffer_free(&name);
}

struct mime_type mime_type_of(const struct header *header, bool in_digest)
{
    struct mime_type type = {.kind = in_digest ? MIME_MESSAGE : MIME_TEXT};
    size_t index = header_find(header, "Content-Type", 0);
    if (index < header->count)
        read_type(header->fields + index, &type);
    index = header_find(header, "Content-Transfer-Encoding", 0);
    if (index < header->count)
        read_encoding(header->fields + index, &type);

    bool identity = type.encoding == MIME_IDENTITY;
    if (type.kind == MIME_MULTIPART && (!type.boundary || !identity))
        type.kind = MIME_OPAQUE;
    /* Encoded messages are against RFC 2046 5.2.1, but they are as whole as any encoded leaf. */
    if (type.kind == MIME_MESSAGE && !identity)
        type.kind = MIME_LEAF;
    if (type.encoding == MIME_UNKNOWN)
        type.kind = MIME_OPAQUE;
    return type;
}

void mime_type_free(struct mime_type *type)
{
    free(type->boundary);
    type->boundary = NULL;
}

/*
 * Quoted-printable and base64 as streams (RFC 2045 6.7, 6.8). What a decoder makes of the result is
 * what the body meant before. Never knows whose body it is.
 */
#include "mail/mime_encoder.h"

#include <string.h>

#include "mail/header.h"

enum { ENCODED_LONGEST = 76 }; /* RFC 2045 6.7 (5), without the LF */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

static void end_line(struct encoder *encoder, struct buffer *out)
{
    buffer_append_byte(out, '\n');
    encoder->column = 0;
}

/* Bytes that must stay on one line; a soft line break before them if need be. */
static void put_together(struct encoder *encoder, const char *bytes, size_t length,
                         struct buffer *out)
{
    if (encoder->column + length > ENCODED_LONGEST - 1) {
        buffer_append_byte(out, '=');
        end_line(encoder, out);
        /* "--" in the middle of a line must not become a boundary at the beginning of one. */
        if (bytes[0] == '-') {
            bytes = "=2D";
            length = strlen(bytes);
        }
    }
    buffer_append(out, bytes, length);
    encoder->column += length;
}

static void put_escaped(struct encoder *encoder, char c, struct buffer *out)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned char byte = (unsigned char)c;
    char escaped[3] = {'=', digits[byte >> 4], digits[byte & 15]};
    put_together(encoder, escaped, sizeof escaped, out);
}

static void put_held(struct encoder *encoder, struct buffer *out)
{
    for (size_t i = 0; i < encoder->held_length; i++)
        put_together(encoder, encoder->held + i, 1, out);
    encoder->held_length = 0;
}

static void hold(struct encoder *encoder, char c)
{
    encoder->held[encoder->held_length++] = c;
}

static bool stands_for_itself(char c)
{
    return (c >= ' ' && c < 127) || c == '\t';
}

static void encode_quoted(struct encoder *encoder, char c, struct buffer *out)
{
    if (c == '\n') {
        encoder_end(encoder, out);
        end_line(encoder, out);
        return;
    }
    put_held(encoder, out);
    if (is_blank(c))
        hold(encoder, c);
    else if (c == '=' || !stands_for_itself(c))
        put_escaped(encoder, c, out);
    else
        put_together(encoder, &c, 1, out);
}

/* Keeps every "=XX" and soft break, and adds what was forgotten. */
static void repair_quoted(struct encoder *encoder, char c, struct buffer *out)
{
    if (c == '\n') {
        /* The '=' of a soft break needs no room: lines leave one byte for it. */
        if (encoder->held_length == 1)
            buffer_append_byte(out, '=');
        else
            put_held(encoder, out);
        encoder->held_length = 0;
        end_line(encoder, out);
        return;
    }
    if (encoder->held_length && is_hex(c)) {
        hold(encoder, c);
        if (encoder->held_length == sizeof encoder->held) {
            put_together(encoder, encoder->held, sizeof encoder->held, out);
            encoder->held_length = 0;
        }
        return;
    }
    put_held(encoder, out);
    if (c == '=')
        hold(encoder, c);
    else if (stands_for_itself(c))
        put_together(encoder, &c, 1, out);
    else
        put_escaped(encoder, c, out);
}

static void rewrap_base64(struct encoder *encoder, char c, struct buffer *out)
{
    bool digit = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                 c == '+' || c == '/' || c == '=';
    if (!digit)
        return;
    buffer_append_byte(out, c);
    if (++encoder->column == ENCODED_LONGEST)
        end_line(encoder, out);
}

static void replace(struct encoder *encoder, char c, struct buffer *out)
{
    if (c == '\n') {
        end_line(encoder, out);
        return;
    }
    if (encoder->column == LINE_LONGEST) {
        end_line(encoder, out);
        buffer_append_byte(out, ' '); /* so that it begins no boundary */
        encoder->column++;
    }
    buffer_append_byte(out, c == '\0' || (!encoder->wide && (unsigned char)c > 127) ? '?' : c);
    encoder->column++;
}

void encoder_put(struct encoder *encoder, const char *data, size_t length, struct buffer *out)
{
    switch (encoder->work) {
    case MIME_COPY:
        buffer_append(out, data, length);
        return;
    case MIME_ENCODE_QUOTED:
        for (size_t i = 0; i < length; i++)
            encode_quoted(encoder, data[i], out);
        return;
    case MIME_REPAIR_QUOTED:
        for (size_t i = 0; i < length; i++)
            repair_quoted(encoder, data[i], out);
        return;
    case MIME_REWRAP_BASE64:
        for (size_t i = 0; i < length; i++)
            rewrap_base64(encoder, data[i], out);
        return;
    case MIME_REPLACE:
        for (size_t i = 0; i < length; i++)
            replace(encoder, data[i], out);
        return;
    }
}

void encoder_end(struct encoder *encoder, struct buffer *out)
{
    if (encoder->work == MIME_REWRAP_BASE64) {
        if (encoder->column)
            end_line(encoder, out);
    } else if (encoder->work == MIME_ENCODE_QUOTED && encoder->held_length) {
        encoder->held_length = 0;
        put_escaped(encoder, encoder->held[0], out);
    } else {
        put_held(encoder, out);
    }
}

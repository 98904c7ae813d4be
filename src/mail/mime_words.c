/*
 * Encoded words (RFC 2047). Whole characters only; "Q", which people can read, unless "B" is much
 * shorter; and of "Q" just the bytes that may stand anywhere, so that one form fits a text, a
 * phrase and a comment.
 */
#include "mail/mime.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/memory.h"
#include "base/text.h"
#include "mail/scanner.h"

/* RFC 2047 allows 75; less, so that a field's name fits on the line before the first word. */
enum { WORD_LONGEST = 64, WORD_FRAME = 7 /* all but charset and text */ };

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!*+-/", c));
}

static size_t q_size(const char *text, size_t length)
{
    size_t size = 0;
    for (size_t i = 0; i < length; i++)
        size += is_plain(text[i]) || text[i] == ' ' ? 1 : 3;
    return size;
}

static size_t b_size(size_t length)
{
    return (length + 2) / 3 * 4;
}

static void append_q(struct buffer *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (is_plain(text[i]))
            buffer_append_byte(out, text[i]);
        else if (text[i] == ' ')
            buffer_append_byte(out, '_');
        else
            buffer_format(out, "=%02X", (unsigned char)text[i]);
    }
}

/* The bytes of the character that the text begins with. */
static size_t character_length(const char *text, size_t length)
{
    size_t count = 1;
    while (count < length && ((unsigned char)text[count] & 0xC0) == 0x80 && count < 4)
        count++;
    return count;
}

static void append_words(struct buffer *out, const char *text, size_t length)
{
    bool utf8 = text_is_utf8(text, length);
    bool q = 2 * q_size(text, length) <= 3 * b_size(length);
    const char *charset = utf8 ? "utf-8" : "unknown-8bit";
    size_t room = WORD_LONGEST - WORD_FRAME - strlen(charset);
    while (length) {
        size_t taken = 0;
        while (taken < length) {
            size_t next = taken + (utf8 ? character_length(text + taken, length - taken) : 1);
            if ((q ? q_size(text, next) : b_size(next)) > room)
                break;
            taken = next;
        }
        buffer_format(out, "=?%s?%c?", charset, q ? 'Q' : 'B');
        if (q)
            append_q(out, text, taken);
        else
            base64_put(text, taken, out);
        buffer_append_text(out, taken < length ? "?=\n " : "?=");
        text += taken;
        length -= taken;
    }
}

void mime_encode_words(const char *text, struct buffer *out)
{
    char *clean = memory_copy(text, strlen(text));
    text_clean(clean);
    if (text_is_ascii(clean))
        buffer_append_text(out, clean);
    else
        append_words(out, clean, strlen(clean));
    free(clean);
}

void mime_encode_phrase(const char *text, struct buffer *out)
{
    char *clean = memory_copy(text, strlen(text));
    text_clean(clean);
    bool atoms = true;
    for (const char *c = clean; *c; c++)
        atoms = atoms && (scan_is_atext(*c) || *c == ' ');
    if (atoms || !text_is_ascii(clean)) {
        mime_encode_words(clean, out);
    } else {
        buffer_append_byte(out, '"');
        for (const char *c = clean; *c; c++) {
            if (*c == '"' || *c == '\\')
                buffer_append_byte(out, '\\');
            buffer_append_byte(out, *c);
        }
        buffer_append_byte(out, '"');
    }
    free(clean);
}

/* See json.h. */
#include "base/json.h"

#include <string.h>

#include "base/text.h"

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

static size_t character_length(const char *text, size_t length)
{
    for (size_t count = 1; count <= 4 && count <= length; count++)
        if (text_is_utf8(text, count))
            return count;
    return 0;
}

/* Whether the first byte of a character asks for more bytes than there are. */
static bool is_cut(const char *text, size_t length)
{
    unsigned char first = (unsigned char)*text;
    return length < 4 && first >= 0xC2 && length < (first < 0xE0 ? 2u : first < 0xF0 ? 3u : 4u);
}

size_t json_part(struct buffer *json, const char *text, size_t length, bool last)
{
    size_t at = 0;
    while (at < length) {
        const char *here = text + at;
        size_t count = character_length(here, length - at);
        if (count == 0 && !last && is_cut(here, length - at))
            break;
        if (count == 0)
            buffer_append_text(json, replacement);
        else if (*here == '"' || *here == '\\')
            buffer_format(json, "\\%c", *here);
        else if ((unsigned char)*here < ' ' || *here == 127)
            buffer_format(json, "\\u%04x", (unsigned)*here);
        else
            buffer_append(json, here, count);
        at += count ? count : 1;
    }
    return at;
}

void json_string(struct buffer *json, const char *text)
{
    if (!text) {
        buffer_append_text(json, "null");
        return;
    }
    buffer_append_byte(json, '"');
    json_part(json, text, strlen(text), true);
    buffer_append_byte(json, '"');
}

void json_next(struct buffer *json)
{
    if (json->length && !strchr("{[", json->data[json->length - 1]))
        buffer_append_byte(json, ',');
}

void json_name(struct buffer *json, const char *name)
{
    json_next(json);
    json_string(json, name);
    buffer_append_byte(json, ':');
}

void json_text(struct buffer *json, const char *name, const char *text)
{
    json_name(json, name);
    json_string(json, text);
}

void json_number(struct buffer *json, const char *name, long long number)
{
    json_name(json, name);
    buffer_format(json, "%lld", number);
}

void json_flag(struct buffer *json, const char *name, bool flag)
{
    json_name(json, name);
    buffer_append_text(json, flag ? "true" : "false");
}

void json_time(struct buffer *json, const char *name, long long when)
{
    json_name(json, name);
    if (when)
        buffer_format(json, "%lld", when);
    else
        buffer_append_text(json, "null");
}

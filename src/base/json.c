/* See json.h. */
#include "base/json.h"

#include <string.h>

#include "base/text.h"

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

static size_t character_length(const char *text)
{
    for (size_t count = 1; count <= 4 && text[count - 1]; count++)
        if (text_is_utf8(text, count))
            return count;
    return 0;
}

void json_string(struct buffer *json, const char *text)
{
    if (!text) {
        buffer_append_text(json, "null");
        return;
    }
    buffer_append_byte(json, '"');
    while (*text) {
        size_t count = character_length(text);
        if (count == 0)
            buffer_append_text(json, replacement);
        else if (*text == '"' || *text == '\\')
            buffer_format(json, "\\%c", *text);
        else if ((unsigned char)*text < ' ' || *text == 127)
            buffer_format(json, "\\u%04x", (unsigned)*text);
        else
            buffer_append(json, text, count);
        text += count ? count : 1;
    }
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

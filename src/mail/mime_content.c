/* Looks at bytes as they pass; remembers nothing but what it found. UTF-8 by RFC 3629. */
#include "mail/mime_content.h"

#include "mail/header.h"

static void add_utf8(struct content *content, unsigned char c)
{
    if (content->more) {
        content->not_utf8 |= c < content->low || c > content->high;
        content->more--;
        content->low = 0x80;
        content->high = 0xBF;
    } else if (c >= 0x80) {
        content->not_utf8 |= c < 0xC2 || c > 0xF4;
        content->more = c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
        content->low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
        content->high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    }
}

void content_add(struct content *content, const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)data[i];
        content->eight_bit |= c > 127;
        content->nul |= c == '\0';
        content->column = c == '\n' ? 0 : content->column + 1;
        content->long_line |= content->column > LINE_LONGEST;
        if (!content->not_utf8)
            add_utf8(content, c);
    }
}

bool content_is_unfit(const struct content *content, bool wide)
{
    return (content->eight_bit && !wide) || content->nul || content->long_line;
}

const char *content_charset(const struct content *content)
{
    if (!content->eight_bit)
        return "us-ascii";
    return content->not_utf8 || content->more ? "unknown-8bit" : "utf-8";
}

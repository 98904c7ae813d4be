/* Foreign words (see foreign.h). Pure; knows UTF-8 (RFC 3629), never what the words are about. */
#include "mail/foreign.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"

enum { CHARACTER_LONGEST = 4 };

/* Bytes of the character that begins here; 0: it is no UTF-8. */
static size_t character_length(const char *text, size_t length)
{
    for (size_t size = 1; size <= length && size <= CHARACTER_LONGEST; size++)
        if (text_is_utf8(text, size))
            return size;
    return 0;
}

void foreign_clean(char *text, size_t length)
{
    while (length) {
        size_t size = character_length(text, length);
        bool steers = size == 2 && (unsigned char)text[0] == 0xC2 && (unsigned char)text[1] < 0xA0;
        if (size == 1 && ((unsigned char)*text < ' ' || *text == 127))
            *text = ' ';
        if (size == 0)
            size = 1, *text = '?';
        if (steers)
            memset(text, '?', size);
        text += size;
        length -= size;
    }
}

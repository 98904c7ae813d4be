/* See txt_record.h. */
#include "mail/txt_record.h"

#include <string.h>

void txt_record_strings(const char *value, const char *gap, struct buffer *text)
{
    size_t length = strlen(value);
    for (size_t at = 0; at < length; at += TXT_STRING_LONGEST)
        buffer_format(text, "%s\"%.*s\"", gap, TXT_STRING_LONGEST, value + at);
}

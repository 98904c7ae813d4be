/* Text as a zone file has it in a TXT record: in strings of at most 255 bytes (RFC 1035 3.3). */
#ifndef MAIL_TXT_RECORD_H
#define MAIL_TXT_RECORD_H

#include <stddef.h>

#include "base/buffer.h"

enum { TXT_STRING_LONGEST = 255 };

/* The strings in quotes, the gap before each of them, behind the buffer. The value has neither '"'
 * nor '\\' in it. */
void txt_record_strings(const char *value, const char *gap, struct buffer *text);

#endif

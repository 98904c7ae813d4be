/* Text as SASL has it: names and passwords in their one form, and messages in base64. */
#ifndef NET_SASL_TEXT_H
#define NET_SASL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/*
 * A name or password in the one form in which it is stored and compared (SASLprep, RFC 4013),
 * behind the buffer. False: it holds what may not be in one, such as a control character, or is no
 * UTF-8. stored: it is to be kept, and may hold no code point that is not assigned yet.
 */
bool sasl_prepare(const char *text, bool stored, struct buffer *prepared);

/* Puts the bytes in base64 behind the buffer. No other copy of them stays. */
void sasl_put_base64(const void *data, size_t length, struct buffer *text);

#endif

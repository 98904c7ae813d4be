/* Base64 with its usual alphabet and padding (RFC 4648 section 4). */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>

#include "base/buffer.h"

/* Puts the bytes behind the buffer, in one line. */
void base64_put(const void *data, size_t length, struct buffer *out);

#endif

/* Base64 (see base64.h). */
#include "base/base64.h"

void base64_put(const void *data, size_t length, struct buffer *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = data;
    for (size_t i = 0; i < length; i += 3) {
        unsigned bits = 0;
        for (size_t j = i; j < i + 3; j++)
            bits = bits << 8 | (j < length ? bytes[j] : 0);
        for (size_t j = 0; j < 4; j++)
            buffer_append_byte(out, i + j > length ? '=' : digits[bits >> (18 - 6 * j) & 63]);
    }
}

/* What a body holds that a next hop of short lines, or of 7 bits, would not carry. */
#ifndef MAIL_MIME_CONTENT_H
#define MAIL_MIME_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

/* Zero-initialise it. */
struct content {
    bool eight_bit; /* has bytes over 127 */
    bool nul;
    bool long_line; /* has a line of over 998 bytes */
    bool not_utf8;  /* the bytes over 127 are no UTF-8, as far as seen */
    size_t column;
    unsigned more;           /* bytes that the present character still needs */
    unsigned char low, high; /* bounds of the next of them */
};

/* Looks at the next bytes. */
void content_add(struct content *content, const char *data, size_t length);
/* Whether it must change to be carried; wide: where bytes over 127 are. */
bool content_is_unfit(const struct content *content, bool wide);
/* "us-ascii", "utf-8" or "unknown-8bit" (RFC 1428), when all has been seen. */
const char *content_charset(const struct content *content);

#endif

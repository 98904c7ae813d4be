/* Streaming encoders of bodies: lines of 76 bytes of ASCII (RFC 2045 6.7, 6.8). */
#ifndef MAIL_MIME_ENCODER_H
#define MAIL_MIME_ENCODER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

enum mime_work {
    MIME_COPY,          /* as it is */
    MIME_ENCODE_QUOTED, /* plain bytes to quoted-printable */
    MIME_REPAIR_QUOTED, /* quoted-printable that has bytes or lines it must not have */
    MIME_REWRAP_BASE64, /* base64 likewise */
    MIME_REPLACE        /* text that nobody is to see: what does not fit becomes '?' */
};

/* Open it with {.work}. */
struct encoder {
    enum mime_work work;
    bool wide; /* MIME_REPLACE leaves bytes over 127 */
    size_t column;
    char held[3]; /* a blank that may end its line, or an unfinished "=XX" */
    size_t held_length;
};

/* Puts the encoded form of the next bytes of the body behind the buffer; LF ends a line. */
void encoder_put(struct encoder *encoder, const char *data, size_t length, struct buffer *out);
/* The body ends here. */
void encoder_end(struct encoder *encoder, struct buffer *out);

#endif

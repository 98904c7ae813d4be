/*
 * Making a message fit a next hop that takes 998-byte lines, or 7 bits, only (RFC 6152 section 3,
 * RFC 2045): leaf parts that need it become quoted-printable, as a stream, header fields that
 * need it are folded. And encoded words (RFC 2047) for what we put into a header ourselves.
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/outcome.h"

/*
 * Puts text behind the buffer: as it is when it is plain ASCII, else as encoded words, several
 * of them with "\n " in between. Control characters become spaces: no byte can end the field.
 */
void mime_encode_words(const char *text, struct buffer *out);
/* The same for a display name (RFC 5322 phrase): a quoted string where ASCII needs one. */
void mime_encode_phrase(const char *text, struct buffer *out);

/* What a next hop takes. Lines of over 998 bytes and NULs none does. */
enum mime_form {
    MIME_AS_IS, /* the message as it is */
    MIME_8BIT,  /* lines and NULs changed (8BITMIME) */
    MIME_7BIT   /* bytes over 127 as well */
};

/*
 * Hands a message on, piece by piece, in 7-bit or 8-bit form, LF line ends again. The message has
 * LF line ends, too, and is the size bytes from start on of a file (read with pread: its offset
 * stays). Two passes: NEVER (5.6.3), for what must not be re-encoded (a signed or encrypted part,
 * an unknown encoding), is said before the sink sees a byte. A sink of NULL: only the first pass.
 * LATER when the file cannot be read or the sink returns false to stop. Memory is bounded by the
 * size of one header.
 */
struct outcome mime_convert(enum mime_form form, int fd, off_t start, uint64_t size,
                            bool (*sink)(void *context, const char *data, size_t length),
                            void *context);

#endif

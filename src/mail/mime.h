/*
 * Making a message fit a next hop that takes 7 bits and 998-byte lines only (RFC 6152 section 3,
 * RFC 2045): leaf parts that need it become quoted-printable, as a stream, header fields that
 * need it are folded. And encoded words (RFC 2047) for what we put into a header ourselves.
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/outcome.h"

/* Puts text behind the buffer, as encoded words where it is not plain ASCII. */
void mime_encode_words(const char *text, struct buffer *out);

/*
 * Reads a message with LF line ends from input and hands it on, piece by piece, in 7-bit form, LF
 * line ends again. NEVER (5.6.3) for what must not be re-encoded (a signed part, an encapsulated
 * message with 8-bit parts that cannot be changed): then nothing useful was handed on and the
 * caller gives up. Memory is bounded by the size of one header. The sink returns false to stop
 * (LATER).
 */
struct outcome mime_to_7bit(struct input *input,
                            bool (*sink)(void *context, const char *data, size_t length),
                            void *context);

#endif

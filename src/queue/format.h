/*
 * The form of a file in spool/. It reads with cat:
 *
 *   postrider 1
 *   size 00000000000000000321 crc 1a2b3c4d flags 8-
 *   time 1795000000
 *   user 1000 ops
 *   origin submitted
 *   from <ops@example.org>
 *   envid QQ314159
 *   hold a+20filter+20wants+20a+20look+20at+20it
 *   ret hdrs
 *   to <you@example.net>
 *   notify SUCCESS,FAILURE
 *   orcpt rfc822;you@example.net
 *   (empty line)
 *   the message, every line ending in LF
 *
 * user, origin, envid, hold, ret, notify and orcpt stand only where they say something; notify and
 * orcpt belong to the "to" before them; envid, hold and orcpt are xtext (RFC 3461). size counts the
 * message. crc is the CRC-32C of everything behind the second line. flags: 8 has bytes over 127, L
 * has NUL or lines over 998 bytes. The first two lines have the same length in every file: draft.c
 * fills the second in at the end.
 */
#ifndef QUEUE_FORMAT_H
#define QUEUE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/outcome.h"
#include "mail/envelope.h"

enum { FORMAT_BODY_AT = 12 + 48 };

/* The second line. */
struct seal {
    uint64_t size;
    uint32_t checksum;
    bool eight_bit; /* has bytes over 127 */
    bool not_8bit;  /* has NUL or lines over 998 bytes */
};

/* The first two lines, FORMAT_BODY_AT bytes of them, behind the buffer. */
void format_seal(const struct seal *seal, struct buffer *text);
/* The lines from "time" to the empty one. */
void format_envelope(const struct envelope *envelope, struct buffer *text);

/*
 * Reads an envelope from a file that stands at its beginning; *start is where the message begins.
 * NEVER: it is not such a file, in words. LATER: it could not be read.
 */
struct outcome format_read(struct input *input, struct seal *seal, struct envelope *envelope,
                           off_t *start);

#endif

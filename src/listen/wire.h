/*
 * A message as it comes over the wire (RFC 5321 4.1.1.4, 4.5.2; RFC 3030), made into lines that end
 * in LF. Nothing but CR LF ends a line, and nothing but CR LF . CR LF ends a message: a CR or LF
 * that stands alone makes the message one that cannot be taken, and is never its end. Pure.
 */
#ifndef LISTEN_WIRE_H
#define LISTEN_WIRE_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed, it stands at the beginning of a message. */
struct wire {
    bool chunked; /* BDAT: dots mean nothing, the size tells the end */
    enum { WIRE_LINE, WIRE_DOT, WIRE_DOT_CR, WIRE_WITHIN, WIRE_CR } place;
    bool bare;  /* there was a CR or LF that stood alone, or a NUL */
    bool ended; /* the final dot has been read */
};

/*
 * Takes bytes, and gives put what they mean, piece by piece. Returns how many were taken: all of
 * them, or those up to the end of the message.
 */
size_t wire_take(struct wire *wire, const char *data, size_t length,
                 void (*put)(void *context, const char *data, size_t length), void *context);

#endif

/*
 * The body of a message as DKIM's "relaxed" sees it (RFC 6376 3.4.4), made as a stream: white space
 * at the ends of lines and empty lines at the end do not count, other white space counts as one
 * space.
 */
#ifndef MAIL_DKIM_BODY_H
#define MAIL_DKIM_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DKIM_BODY_BLOCK = 4096 };

/* Open it with {.sink, .context}. */
struct dkim_body {
    void (*sink)(void *context, const char *data, size_t length);
    void *context;
    uint64_t ends; /* of lines that were passed and count only if something comes behind them */
    bool blank;    /* white space likewise */
    bool filled;   /* something came that counts */
    char block[DKIM_BODY_BLOCK];
    size_t used;
};

/* The next bytes of the body as it travels: CRLF ends a line, and there is no other CR or LF. */
void dkim_body_put(struct dkim_body *body, const char *data, size_t length);
/* It ends here: what is left goes to the sink. */
void dkim_body_end(struct dkim_body *body);

#endif

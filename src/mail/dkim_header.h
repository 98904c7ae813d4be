/*
 * What of a header a DKIM signature covers, and how it sees it: "relaxed" (RFC 6376 3.4.2). Fields
 * may have LF or CRLF line ends: unfolded they are the same.
 */
#ifndef MAIL_DKIM_HEADER_H
#define MAIL_DKIM_HEADER_H

#include <stddef.h>

#include "base/buffer.h"
#include "mail/header.h"

/* One name of the list "h=", and the field that it stands for; NULL: none, and none may come. */
struct dkim_covered {
    const char *name;
    const struct field *field;
};

/* In the order of that list. Zero-initialise it. */
struct dkim_cover {
    struct dkim_covered *items;
    size_t count, capacity;
};

/* What we cover, by the table in dkim_header.c. The fields belong to the header. */
void dkim_cover_choose(struct dkim_cover *cover, const struct header *header);
void dkim_cover_add(struct dkim_cover *cover, const char *name, const struct field *field);
void dkim_cover_free(struct dkim_cover *cover);

/* Puts a whole field (name, colon, body) behind the buffer as a signature sees it, CRLF at its end.
 */
void dkim_relax_field(const char *field, size_t length, struct buffer *out);
/* All covered fields, likewise. */
void dkim_relax_cover(const struct dkim_cover *cover, struct buffer *out);

#endif

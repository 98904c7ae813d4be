/* What the MIME fields of an entity say about its body (RFC 2045 5 and 6). */
#ifndef MAIL_MIME_TYPE_H
#define MAIL_MIME_TYPE_H

#include <stdbool.h>

#include "mail/header.h"

enum mime_encoding {
    MIME_IDENTITY, /* 7bit, 8bit or binary: the bytes are the content */
    MIME_QUOTED,   /* quoted-printable */
    MIME_BASE64,
    MIME_UNKNOWN /* must be left alone */
};

enum mime_kind {
    MIME_LEAF,
    MIME_TEXT,      /* a leaf of text/plain */
    MIME_MULTIPART, /* whose parts may be changed */
    MIME_MESSAGE,   /* message/rfc822 and message/global */
    MIME_OPAQUE     /* changing it, or something inside it, breaks it */
};

struct mime_type {
    enum mime_kind kind;
    enum mime_encoding encoding;
    bool wide;      /* declared as more than 7bit */
    bool digest;    /* multipart/digest: parts are messages unless they say otherwise */
    bool charset;   /* has such a parameter */
    char *boundary; /* of a MIME_MULTIPART; owned */
};

/* in_digest: what an entity without Content-Type is. The caller frees. */
struct mime_type mime_type_of(const struct header *header, bool in_digest);
void mime_type_free(struct mime_type *type);

#endif

/* The field DKIM-Signature (RFC 6376 3.5), lines folded and ending in LF. */
#ifndef MAIL_DKIM_SIGNATURE_H
#define MAIL_DKIM_SIGNATURE_H

#include <time.h>

#include "base/buffer.h"
#include "mail/dkim_header.h"

struct dkim_signature {
    const char *algorithm; /* "rsa-sha256", "ed25519-sha256" */
    const char *domain, *selector;
    time_t time;
    const struct dkim_cover *cover;
    const char *body_hash; /* base64 */
};

/* Puts the field behind the buffer, up to the "b=" that the signature follows. */
void dkim_signature_begin(const struct dkim_signature *signature, struct buffer *field);
/* The signature in base64, and the field's end. */
void dkim_signature_end(const char *base64, struct buffer *field);
/*
 * What is signed (3.7): the covered fields, then this one as it is before its end. It is the hash
 * of that which the algorithms of RFC 6376 3.3 and RFC 8463 3 take.
 */
void dkim_signature_input(const struct dkim_cover *cover, const struct buffer *field,
                          struct buffer *input);

#endif

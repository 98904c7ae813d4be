/* Header fields in 7-bit form, for a next hop that knows neither 8BITMIME nor SMTPUTF8. */
#ifndef MAIL_MIME_FIELD_H
#define MAIL_MIME_FIELD_H

#include "base/buffer.h"
#include "mail/header.h"

/*
 * Puts the field behind the buffer, lines folded. Raw 8-bit text becomes encoded words (RFC 2047
 * 5) where these may stand; elsewhere each byte over 127, and any NUL, becomes '?'.
 */
void mime_format_field(const struct field *field, struct buffer *out);

#endif

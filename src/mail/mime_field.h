/* Header fields in a form that travels. */
#ifndef MAIL_MIME_FIELD_H
#define MAIL_MIME_FIELD_H

#include <stdbool.h>

#include "base/buffer.h"
#include "mail/header.h"

/*
 * Puts the field behind the buffer, lines folded; any NUL becomes '?'. Where bytes over 127 may not
 * stay (wide), raw 8-bit text becomes encoded words (RFC 2047 5) where these may stand; elsewhere
 * each such byte becomes '?'.
 */
void mime_format_field(const struct field *field, bool wide, struct buffer *out);

#endif

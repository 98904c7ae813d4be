/* The header of an entity after its body has been re-encoded (RFC 2045 3 to 6). */
#ifndef MAIL_MIME_ENTITY_H
#define MAIL_MIME_ENTITY_H

#include <stdbool.h>

#include "base/buffer.h"
#include "mail/header.h"
#include "mail/mime_content.h"
#include "mail/mime_encoder.h"
#include "mail/mime_type.h"

/* How a leaf is made fit, see content_is_unfit; false when it must not be changed though it would
 * have to be. */
bool mime_choose_work(const struct mime_type *type, const struct content *content, bool wide,
                      enum mime_work *work);
/*
 * Says in the fields what has been done to the body. message: it is a whole message, which needs
 * MIME-Version, not a part of one. content may be NULL unless work is MIME_ENCODE_QUOTED.
 */
void mime_declare(struct header *header, const struct mime_type *type, enum mime_work work,
                  const struct content *content, bool message);

#endif

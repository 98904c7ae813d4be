/*
 * The message on the wire: LF, and a bare CR too, become CRLF, dots at line starts are doubled, the
 * last line is ended. RFC 5321 2.3.8 and 4.5.2.
 */
#ifndef RUN_SMTP_BODY_H
#define RUN_SMTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "mail/mime.h"
#include "run/smtp_session.h"

/* Where the encoder stands between two blocks; zeroed, it is at the beginning. */
struct smtp_encoder {
    bool plain;    /* dots are left alone */
    bool in_line;  /* the last byte sent was not a line's end */
    bool after_cr; /* a CR was made a line end; an LF that follows belongs to it */
    uint64_t size; /* bytes made, without the doubled dots (RFC 1870) */
};

/* Puts a block of the message behind the buffer as it goes over the wire (RFC 5321 4.5.2). */
void smtp_encode(struct smtp_encoder *encoder, const char *data, size_t length, struct buffer *out);
/* Ends the last line if need be. */
void smtp_encode_end(struct smtp_encoder *encoder, struct buffer *out);

/*
 * Goes through the message as it will be on the wire, in this form, but for doubled dots: hands it
 * to the sink (NULL: to nobody) and counts it for RFC 1870. LATER when it cannot be read, or the
 * sink stops; NEVER when it cannot be converted.
 */
struct outcome smtp_body_look(const struct transaction *transaction, enum mime_form form,
                              bool (*sink)(void *context, const char *data, size_t length),
                              void *context, uint64_t *size);
/*
 * Sends the message, but for its last bytes, which stay put for the flush that takes the final dot
 * along, and without that dot. LATER, and the session is dead, when that fails: what was sent then
 * never gets its end. signature: fields that go before all else; "": none.
 */
struct outcome smtp_body_send(struct smtp_session *session, const struct transaction *transaction,
                              enum mime_form form, const char *signature);
/*
 * Puts the whole message as one chunk, the last (RFC 3030): BDAT and the bytes behind it, which
 * leave with the next flush. For small ones; otherwise as smtp_body_send.
 */
struct outcome smtp_body_put(struct smtp_session *session, const struct transaction *transaction,
                             enum mime_form form, const char *signature);

#endif

/*
 * Transactions in a session that is ready: MAIL, RCPT, DATA or BDAT, and the message, as many as
 * the source has.
 */
#ifndef RUN_SMTP_RUN_H
#define RUN_SMTP_RUN_H

#include <stddef.h>

#include "base/outcome.h"
#include "run/smtp_mail.h"
#include "run/smtp_session.h"

/*
 * Delivers until the source is empty (DONE), the session breaks (LATER), or the server takes no
 * more in this session. *carried comes in as the messages that an earlier session left over, and
 * goes out likewise: nothing of such a message was said that could make a duplicate, and this
 * session got work done, so that going on in a new one comes to an end. Counts what was finished.
 */
struct outcome smtp_run(struct smtp_session *session, const struct smtp_source *source,
                        struct smtp_mail **carried, size_t *finished);

#endif

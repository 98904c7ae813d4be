/* The envelope of a message: MAIL, RCPT and RSET (RFC 5321 3.3; RFC 1870, 3461, 6531, 9422). */
#ifndef LISTEN_TRANSACTION_H
#define LISTEN_TRANSACTION_H

#include "listen/session.h"

void verb_mail(struct session *session, char *argument);
void verb_rcpt(struct session *session, char *argument);
void verb_rset(struct session *session, char *argument);

#endif

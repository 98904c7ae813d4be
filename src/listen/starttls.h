/* TLS within a session: STARTTLS (RFC 3207), and from the first byte (RFC 8314). */
#ifndef LISTEN_STARTTLS_H
#define LISTEN_STARTTLS_H

#include "listen/session.h"

void verb_starttls(struct session *session, char *argument);
/* The handshake. False: it failed, which is logged, and the session is over. */
bool starttls_accept(struct session *session);
/* For the log: the session in words, and the subject of a client's certificate that counts. */
void starttls_describe(const struct tls *tls, struct buffer *words, struct buffer *certificate);

#endif

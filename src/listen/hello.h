/* HELO and EHLO: who the client says it is, and what we can do for it (RFC 5321 4.1.1.1). */
#ifndef LISTEN_HELLO_H
#define LISTEN_HELLO_H

#include "listen/session.h"

void verb_helo(struct session *session, char *argument);
void verb_ehlo(struct session *session, char *argument);

#endif

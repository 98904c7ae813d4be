/* ETRN: a partner whose backup we are asks for its mail (RFC 1985). */
#ifndef LISTEN_ETRN_H
#define LISTEN_ETRN_H

#include "listen/session.h"

void verb_etrn(struct session *session, char *argument);

#endif

/* Commands that change nothing: NOOP, HELP, VRFY and QUIT (RFC 5321 3.5, 4.1.1). */
#ifndef LISTEN_COURTESY_H
#define LISTEN_COURTESY_H

#include "listen/session.h"

void verb_noop(struct session *session, char *argument);
void verb_help(struct session *session, char *argument);
/* 252 whatever is asked: who has a mailbox here is told to nobody. */
void verb_vrfy(struct session *session, char *argument);
void verb_quit(struct session *session, char *argument);

#endif

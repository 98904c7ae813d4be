/* The message itself: DATA (RFC 5321 4.1.1.4) and BDAT (RFC 3030). */
#ifndef LISTEN_DATA_H
#define LISTEN_DATA_H

#include "listen/session.h"

void verb_data(struct session *session, char *argument);
void verb_bdat(struct session *session, char *argument);

#endif

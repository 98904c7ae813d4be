/* Signing in at the listener (RFC 4954): who may try, the dialogue, and what failing costs. */
#ifndef LISTEN_AUTH_H
#define LISTEN_AUTH_H

#include <stdbool.h>

#include "base/outcome.h"
#include "config/settings.h"
#include "listen/users.h"

struct session;

/* What a session keeps of it. */
struct auth {
    struct users users;
    struct outcome trouble; /* why the users file is not open */
    bool is_read;           /* it was, for .has_scram */
    bool has_scram;         /* everybody in it can sign in by that */
    unsigned failures;
};

/* Opens the users file of the listener, if it has one; to be called before the session is locked
 * in. What is wrong with it is said when somebody wants to sign in. */
void auth_open(struct auth *auth, const struct listener *listener,
               const unsigned char secret[SASL_SECRET_SIZE]);
void auth_close(struct auth *auth);
/* Logs what is wrong with the users files; by the listener, as long as it waits for clients. */
void auth_look_at_files(const struct settings *settings);
/* The mechanisms to offer, in static words; NULL: none, as long as things are as they are. */
const char *auth_offer(struct session *session);
void verb_auth(struct session *session, char *argument);

#endif

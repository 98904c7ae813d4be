/*
 * From a connected address to a session in which MAIL can be said: TLS, greeting, EHLO, STARTTLS,
 * AUTH. RFC 5321 3.1 and 3.2, 3207, 4954, 8314; 2033 for LHLO.
 */
#ifndef RUN_SMTP_GREETING_H
#define RUN_SMTP_GREETING_H

#include "base/outcome.h"
#include "run/smtp_session.h"

/* How far a try got; whoever fails late need not be tried at its other addresses. */
enum smtp_stage { STAGE_CONNECT, STAGE_GREETING, STAGE_TLS, STAGE_AUTH, STAGE_READY };

/*
 * session: hop, target, host, loopback, leads_here and an open stream are set. LATER for whatever
 * goes wrong, a 5yz too: a server that refuses us says nothing about a message; NEVER 5.4.6 when it
 * is this very host. With encrypt false an opportunistic hop is spoken to in clear.
 */
struct outcome smtp_greet(struct smtp_session *session, bool encrypt, enum smtp_stage *stage);
/* Reads the files that TLS with this hop needs, for a process that cannot load what reads them any
 * more. What is wrong with them a handshake tells. */
void smtp_load(const struct smtp_hop *hop);
/* The lines of an EHLO reply. */
void smtp_offer_parse(const struct reply *reply, struct smtp_offer *offer);

/* smtp_auth.c: signs in as the hop says, or LATER; never goes on without. */
bool smtp_wants_auth(const struct smtp_hop *hop);
/* By which of the mechanisms that are offered, in static words; LATER says why by none. */
struct outcome smtp_choose(const struct smtp_session *session, const char **mechanism);
struct outcome smtp_sign_in(struct smtp_session *session);

#endif

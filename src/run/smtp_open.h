/* One connection to one address, up to where MAIL can be said. */
#ifndef RUN_SMTP_OPEN_H
#define RUN_SMTP_OPEN_H

#include <netdb.h>

#include "base/outcome.h"
#include "run/smtp_greeting.h"
#include "run/smtp_session.h"

/*
 * address: NULL for a target that is a socket. An opportunistic hop whose TLS fails is tried once
 * more in clear. As smtp_greet has it; the caller closes the session either way, and may look
 * before at what was said in it.
 */
struct outcome smtp_open(const struct smtp_hop *hop, const struct smtp_target *target,
                         const struct addrinfo *address, struct smtp_session *session,
                         enum smtp_stage *stage);
/*
 * Whether the host's other addresses would not do better: a wrong certificate stays wrong, and a
 * password is not offered again to who has not taken it, whatever he said; a connection that breaks
 * before that says nothing of the others (RFC 5321 5.1).
 */
bool smtp_is_final(const struct outcome *outcome, enum smtp_stage stage);

#endif

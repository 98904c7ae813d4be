/* See starttls.h. Nothing that was said in clear counts afterwards. */
#include "listen/starttls.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/tls_server.h"

bool starttls_accept(struct session *session)
{
    struct tls *tls;
    int64_t deadline = clock_ms() + (int64_t)session->listener->timeout * 1000;
    struct outcome outcome =
        tls_accept(&tls, session->stream.fd, session->service->identities[session->listener_index],
                   session->stream.watch, deadline);
    if (!outcome_good(&outcome)) {
        log_event("-", "rejected", "client", session->client, "reason", outcome.reason, NULL);
        session->is_over = true;
        return false;
    }
    stream_secure(&session->stream, tls);
    session_trust(session);
    return true;
}

void verb_starttls(struct session *session, char *argument)
{
    if (*argument) {
        session_refuse(session, 501, "5.5.4", "STARTTLS takes no parameters");
        return;
    }
    if (session->stream.tls || session->listener->tls != TLS_STARTTLS) {
        session_refuse(session, 503, "5.5.1",
                       session->stream.tls ? "TLS is there already" : "there is no TLS here");
        return;
    }
    session_reply(session, 220, "2.0.0", "ready to start TLS");
    if (!session_flush(session) || !starttls_accept(session))
        return;
    session_reset(session);
    free(session->helo);
    free(session->user);
    session->helo = session->user = NULL;
    session->extended = false;
    session_trust(session);
}

/* See starttls.h. Nothing that was said in clear counts afterwards. */
#include "listen/starttls.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/tls_server.h"

/* Why a client that means to be known by its certificate is not. */
static void log_stranger(const struct session *session, const struct tls *tls)
{
    struct buffer name = {0}, words = {0};
    tls_client_name(tls, &name);
    if (name.length && !tls_client_is_verified(tls)) {
        tls_describe(tls, &words);
        log_notice("the certificate of %s, %s, counts for nothing: %s", session->client,
                   buffer_text(&name), buffer_text(&words));
    }
    buffer_free(&name);
    buffer_free(&words);
}

void starttls_describe(const struct tls *tls, struct buffer *words, struct buffer *certificate)
{
    tls_describe(tls, words);
    if (tls_client_is_verified(tls))
        tls_client_name(tls, certificate);
}

bool starttls_accept(struct session *session)
{
    struct tls *tls;
    const struct tls_identity *identity = session->service->identities[session->listener_index];
    int64_t deadline = clock_ms() + (int64_t)session->listener->timeout * 1000;
    struct outcome outcome =
        tls_accept(&tls, session->stream.fd, identity, session->stream.watch, deadline);
    if (!outcome_good(&outcome)) {
        log_event("-", "rejected", "client", session->client, "reason", outcome.reason, NULL);
        session->is_over = true;
        return false;
    }
    log_stranger(session, tls);
    stream_secure(&session->stream, tls);
    session_trust(session);
    return true;
}

/* What was said in clear may have been said by anybody on the way (RFC 3207 4.2). */
static void forget(struct session *session)
{
    session_reset(session);
    free(session->helo);
    free(session->user);
    session->helo = session->user = NULL;
    session->extended = false;
    session_trust(session);
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
    if (!session_flush(session))
        return;
    forget(session);
    (void)starttls_accept(session);
}

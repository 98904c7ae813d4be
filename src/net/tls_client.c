/*
 * The client's handshake. Who is trusted is tls_trust.c's matter. It never resumes a session and
 * never takes a protocol below TLS 1.2 (RFC 8996).
 */
#include "net/tls_client.h"

#include <arpa/inet.h>
#include <string.h>

#include "net/tls_session.h"
#include "net/tls_trust.h"

/* Nothing of it refers to "@SYSTEM". The profile asks for 112 bits: RSA from 2048 on. */
static const char priorities[] =
    "NORMAL:%PROFILE_MEDIUM:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:"
    "-SIGN-DSA-SHA1";

/* Called by GnuTLS during the handshake, before anything of ours is encrypted to that key. */
static int on_certificate(gnutls_session_t session)
{
    struct tls *tls = gnutls_session_get_ptr(session);
    const struct tls_wish *wish = tls->wish;
    if (!wish->verify)
        return 0;
    tls->pinned = wish->fingerprint && *wish->fingerprint;
    tls->verified = tls->pinned ? trust_check_pin(session, wish->fingerprint, &tls->reason)
                                : trust_check(session, wish->host, wish->also, &tls->reason);
    return tls->verified ? 0 : -1;
}

static bool is_literal(const char *host)
{
    unsigned char address[16];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* A name without the dot that may end it. */
static size_t name_length(const char *host)
{
    size_t length = strlen(host);
    return length && host[length - 1] == '.' ? length - 1 : length;
}

static int prepare(struct tls *tls, gnutls_certificate_credentials_t credentials)
{
    const char *host = tls->wish->host;
    int error = gnutls_priority_set_direct(tls->session, priorities, NULL);
    if (error >= 0)
        error = gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, credentials);
    if (error >= 0 && !is_literal(host))
        error = gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, host, name_length(host));
    gnutls_session_set_verify_function(tls->session, on_certificate);
    return error;
}

struct outcome tls_load(const struct tls_wish *wish)
{
    gnutls_certificate_credentials_t credentials;
    return trust_credentials(wish, &credentials);
}

struct outcome tls_connect(struct tls **made, int fd, const struct tls_wish *wish, int64_t deadline)
{
    *made = NULL;
    gnutls_certificate_credentials_t credentials;
    struct outcome outcome = trust_credentials(wish, &credentials);
    if (!outcome_good(&outcome))
        return outcome;
    int error;
    struct tls *tls = tls_make(GNUTLS_CLIENT | GNUTLS_NO_TICKETS, fd, &error);
    tls->wish = wish;
    if (error >= 0)
        error = prepare(tls, credentials);
    outcome = error < 0 ? outcome_later("4.7.5", "cannot set up TLS: %s", gnutls_strerror(error))
                        : tls_shake_hands(tls, wish->host, -1, deadline);
    tls->wish = NULL;
    if (outcome_good(&outcome) && wish->verify && !tls->verified)
        outcome = outcome_later("4.7.5", "%s showed no certificate", wish->host);
    if (outcome_good(&outcome))
        *made = tls;
    else
        tls_free(tls);
    return outcome;
}

time_t tls_server_ends(const struct tls *tls)
{
    return trust_ends(tls->session);
}

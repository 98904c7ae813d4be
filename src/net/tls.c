/*
 * The TLS session itself: handshake, bytes, words. Who is trusted is tls_trust.c's matter. It never
 * resumes a session and never takes a protocol below TLS 1.2 (RFC 8996).
 */
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "net/tls_trust.h"

/* Nothing of it refers to "@SYSTEM". The profile asks for 112 bits: RSA from 2048 on. */
static const char priorities[] =
    "NORMAL:%PROFILE_MEDIUM:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:"
    "-SIGN-DSA-SHA1";

struct tls {
    gnutls_session_t session;
    struct tls_wish wish; /* during the handshake only: the texts are the caller's */
    struct buffer reason; /* why the certificate was refused */
    bool verified, pinned;
    int error; /* GnuTLS's own number of the last failure */
};

/* Called by GnuTLS during the handshake, before anything of ours is encrypted to that key. */
static int on_certificate(gnutls_session_t session)
{
    struct tls *tls = gnutls_session_get_ptr(session);
    if (!tls->wish.verify)
        return 0;
    tls->pinned = tls->wish.fingerprint && *tls->wish.fingerprint;
    tls->verified = tls->pinned
                        ? trust_check_pin(session, tls->wish.fingerprint, &tls->reason)
                        : trust_check(session, tls->wish.host, tls->wish.also, &tls->reason);
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

static int prepare(struct tls *tls, int fd, gnutls_certificate_credentials_t credentials)
{
    int error = gnutls_init(&tls->session,
                            GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS);
    if (error < 0)
        return error;
    gnutls_session_set_ptr(tls->session, tls);
    /* Whatever SSLKEYLOGFILE says: our keys are written nowhere. */
    gnutls_session_set_keylog_function(tls->session, NULL);
    error = gnutls_priority_set_direct(tls->session, priorities, NULL);
    if (error >= 0)
        error = gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, credentials);
    if (error >= 0 && !is_literal(tls->wish.host))
        error = gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, tls->wish.host,
                                       name_length(tls->wish.host));
    gnutls_session_set_verify_function(tls->session, on_certificate);
    gnutls_transport_set_int(tls->session, fd);
    /* Time is the caller's deadline. */
    gnutls_handshake_set_timeout(tls->session, GNUTLS_INDEFINITE_TIMEOUT);
    return error;
}

static bool wait_for(struct tls *tls, int fd, int64_t deadline)
{
    struct pollfd wanted = {.fd = fd, .events = tls_wants_write(tls) ? POLLOUT : POLLIN};
    int64_t left = deadline - clock_ms();
    if (left <= 0)
        return false;
    return poll(&wanted, 1, left > 60000 ? 60000 : (int)left) >= 0 || errno == EINTR;
}

static struct outcome handshake_failed(struct tls *tls, int error)
{
    const char *host = tls->wish.host;
    if (tls->reason.length)
        return outcome_later("4.7.5", "the certificate of %s was refused: %s", host,
                             buffer_text(&tls->reason));
    if (error == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        const char *name = gnutls_alert_get_name(gnutls_alert_get(tls->session));
        return outcome_later("4.7.5", "TLS handshake with %s failed: it sent the alert \"%s\"",
                             host, name ? name : "unknown");
    }
    return outcome_later("4.7.5", "TLS handshake with %s failed: %s", host, gnutls_strerror(error));
}

static struct outcome shake_hands(struct tls *tls, int fd, int64_t deadline)
{
    for (;;) {
        int error = gnutls_handshake(tls->session);
        if (error == GNUTLS_E_SUCCESS)
            break;
        if (error == GNUTLS_E_AGAIN) {
            if (!wait_for(tls, fd, deadline))
                return outcome_later("4.4.2", "TLS handshake with %s took too long",
                                     tls->wish.host);
            continue;
        }
        if (error != GNUTLS_E_INTERRUPTED && gnutls_error_is_fatal(error)) {
            /* The peer learns why (it may log it); whether that arrives is all the same to us. */
            (void)gnutls_alert_send_appropriate(tls->session, error);
            return handshake_failed(tls, error);
        }
        if (clock_ms() >= deadline)
            return outcome_later("4.4.2", "TLS handshake with %s took too long", tls->wish.host);
    }
    if (gnutls_protocol_get_version(tls->session) < GNUTLS_TLS1_2)
        return outcome_later("4.7.5", "%s speaks a TLS below 1.2", tls->wish.host);
    if (tls->wish.verify && !tls->verified)
        return outcome_later("4.7.5", "%s showed no certificate", tls->wish.host);
    return outcome_done();
}

struct outcome tls_connect(struct tls **made, int fd, const struct tls_wish *wish, int64_t deadline)
{
    *made = NULL;
    gnutls_certificate_credentials_t credentials;
    struct outcome outcome = trust_credentials(wish, &credentials);
    if (!outcome_good(&outcome))
        return outcome;
    struct tls *tls = memory_get(sizeof *tls);
    tls->wish = *wish;
    tls->reason.limit = 400;
    int error = prepare(tls, fd, credentials);
    outcome = error < 0 ? outcome_later("4.7.5", "cannot set up TLS: %s", gnutls_strerror(error))
                        : shake_hands(tls, fd, deadline);
    tls->wish = (struct tls_wish){0};
    if (outcome_good(&outcome))
        *made = tls;
    else
        tls_free(tls);
    return outcome;
}

/* What GnuTLS's number means in the terms of recv and send. */
static ssize_t translate(struct tls *tls, ssize_t count)
{
    if (count >= 0)
        return count;
    if (count == GNUTLS_E_AGAIN || count == GNUTLS_E_INTERRUPTED ||
        count == GNUTLS_E_WARNING_ALERT_RECEIVED) {
        errno = count == GNUTLS_E_AGAIN ? EAGAIN : EINTR;
        return -1;
    }
    tls->error = (int)count;
    if (count == GNUTLS_E_PUSH_ERROR || count == GNUTLS_E_PULL_ERROR)
        errno = ECONNRESET;
    else
        errno = EPROTO;
    return -1;
}

ssize_t tls_read(struct tls *tls, void *data, size_t length)
{
    ssize_t count = gnutls_record_recv(tls->session, data, length);
    /* Closed without a goodbye: replies have their own ends, a cut one is never taken for whole. */
    if (count == GNUTLS_E_PREMATURE_TERMINATION)
        return 0;
    return translate(tls, count);
}

ssize_t tls_write(struct tls *tls, const void *data, size_t length)
{
    return translate(tls, gnutls_record_send(tls->session, data, length));
}

bool tls_wants_write(const struct tls *tls)
{
    return gnutls_record_get_direction(tls->session) == 1;
}

void tls_describe(const struct tls *tls, struct buffer *words)
{
    const char *version = gnutls_protocol_get_name(gnutls_protocol_get_version(tls->session));
    const char *cipher = gnutls_cipher_get_name(gnutls_cipher_get(tls->session));
    buffer_format(words, "%s, cipher %s, certificate %s", version ? version : "TLS",
                  cipher ? cipher : "unknown",
                  tls->pinned     ? "pinned"
                  : tls->verified ? "verified"
                                  : "not verified");
}

const char *tls_trouble(const struct tls *tls)
{
    return gnutls_strerror(tls->error);
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    if (tls->session) {
        (void)gnutls_bye(tls->session, GNUTLS_SHUT_WR);
        gnutls_deinit(tls->session);
    }
    buffer_free(&tls->reason);
    free(tls);
}

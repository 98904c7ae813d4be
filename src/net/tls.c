/*
 * The TLS session itself: handshake, bytes, words. Who is trusted is tls_trust.c's matter, which
 * certificate we show tls_client.c's and tls_server.c's. GnuTLS would read a policy file, and the
 * name of another one from the environment, when it is loaded; we keep it from that and start it
 * ourselves, so that no algorithm that we count on to be refused is allowed from outside. Nothing
 * below TLS 1.2 is ever taken (RFC 8996).
 */
#include "net/tls.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/memory.h"
#include "net/tls_session.h"

enum { IDLE_MOST = 131072 };

/* Taken by the library's constructor as: the program starts me. */
GNUTLS_SKIP_GLOBAL_INIT

struct outcome tls_start_library(void)
{
    static bool started;
    if (started)
        return outcome_done();
    static const char *const meddlers[] = {"GNUTLS_SYSTEM_PRIORITY_FAIL_ON_INVALID",
                                           "GNUTLS_NO_EXPLICIT_INIT",
                                           "GNUTLS_NO_IMPLICIT_INIT",
                                           "GNUTLS_FORCE_FIPS_MODE",
                                           "GNUTLS_SKIP_FIPS_INTEGRITY_CHECKS",
                                           "GNUTLS_CPUID_OVERRIDE",
                                           "GNUTLS_DEBUG_LEVEL",
                                           "SSLKEYLOGFILE"};
    for (size_t i = 0; i < sizeof meddlers / sizeof meddlers[0]; i++)
        unsetenv(meddlers[i]);
    /* An empty policy is the only way to have it read none. The library keeps the text: static. */
    static char policy[] = "GNUTLS_SYSTEM_PRIORITY_FILE=/dev/null";
    if (putenv(policy) != 0)
        impossible("an environment without room");
    int error = gnutls_global_init();
    unsetenv("GNUTLS_SYSTEM_PRIORITY_FILE");
    if (error < 0)
        return outcome_later("4.7.5", "cannot start GnuTLS: %s", gnutls_strerror(error));
    started = true;
    return outcome_done();
}

/*
 * GnuTLS would gather a message of up to 16 MB before it looks at it, from anybody. Whoever sends
 * that much without a byte for us gets no further.
 */
static ssize_t on_pull(gnutls_transport_ptr_t pointer, void *data, size_t length)
{
    struct tls *tls = pointer;
    if (tls->idle > IDLE_MOST) {
        errno = EMSGSIZE;
        return -1;
    }
    ssize_t count = recv(tls->fd, data, length, 0);
    if (count > 0)
        tls->idle += (size_t)count;
    return count;
}

struct tls *tls_make(unsigned flags, int fd, int *error)
{
    struct tls *tls = memory_get(sizeof *tls);
    tls->reason.limit = 400;
    *error = gnutls_init(&tls->session, flags | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    if (*error < 0) {
        tls->session = NULL;
        return tls;
    }
    gnutls_session_set_ptr(tls->session, tls);
    /* Whatever SSLKEYLOGFILE says: our keys are written nowhere. */
    gnutls_session_set_keylog_function(tls->session, NULL);
    tls->fd = fd;
    gnutls_transport_set_ptr2(tls->session, tls, (gnutls_transport_ptr_t)(intptr_t)fd);
    gnutls_transport_set_pull_function(tls->session, on_pull);
    /* Time is the caller's deadline. */
    gnutls_handshake_set_timeout(tls->session, GNUTLS_INDEFINITE_TIMEOUT);
    return tls;
}

static struct outcome took_too_long(const char *peer)
{
    return outcome_later("4.4.2", "TLS handshake with %s took too long", peer);
}

/* Waits for what the handshake wants next; the loop around it looks at the clock. */
static struct outcome wait_for(struct tls *tls, const char *peer, int watch, int64_t deadline)
{
    struct pollfd wanted[] = {{.fd = tls->fd, .events = tls_wants_write(tls) ? POLLOUT : POLLIN},
                              {.fd = watch, .events = POLLIN}};
    int64_t left = deadline - clock_ms();
    if (left <= 0)
        return took_too_long(peer);
    if (poll(wanted, 2, left > 60000 ? 60000 : (int)left) < 0 && errno != EINTR)
        return outcome_errno(errno, "cannot wait for %s", peer);
    if (wanted[1].revents)
        return outcome_later("4.3.2", "TLS handshake with %s given up: we are closing", peer);
    return outcome_done();
}

static struct outcome handshake_failed(struct tls *tls, const char *peer, int error)
{
    if (tls->reason.length)
        return outcome_later("4.7.5", "the certificate of %s was refused: %s", peer,
                             buffer_text(&tls->reason));
    if (error == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        const char *name = gnutls_alert_get_name(gnutls_alert_get(tls->session));
        return outcome_later("4.7.5", "TLS handshake with %s failed: it sent the alert \"%s\"",
                             peer, name ? name : "unknown");
    }
    bool much = tls->idle > IDLE_MOST;
    bool ended = error == GNUTLS_E_PREMATURE_TERMINATION || error == GNUTLS_E_PULL_ERROR ||
                 error == GNUTLS_E_PUSH_ERROR || error == GNUTLS_E_SESSION_EOF;
    return outcome_later(ended && !much ? "4.4.2" : "4.7.5", "TLS handshake with %s failed: %s",
                         peer, much ? "it sent too much" : gnutls_strerror(error));
}

struct outcome tls_shake_hands(struct tls *tls, const char *peer, int watch, int64_t deadline)
{
    for (;;) {
        int error = gnutls_handshake(tls->session);
        if (error == GNUTLS_E_SUCCESS)
            break;
        if (error == GNUTLS_E_AGAIN) {
            struct outcome outcome = wait_for(tls, peer, watch, deadline);
            if (!outcome_good(&outcome))
                return outcome;
            continue;
        }
        if (error != GNUTLS_E_INTERRUPTED && gnutls_error_is_fatal(error)) {
            /* The peer learns why (it may log it); whether that arrives is all the same to us. */
            (void)gnutls_alert_send_appropriate(tls->session, error);
            return handshake_failed(tls, peer, error);
        }
        if (clock_ms() >= deadline)
            return took_too_long(peer);
    }
    tls->established = true;
    tls->idle = 0;
    if (gnutls_protocol_get_version(tls->session) < GNUTLS_TLS1_2)
        return outcome_later("4.7.5", "%s speaks a TLS below 1.2", peer);
    return outcome_done();
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
    if (count > 0)
        tls->idle = 0;
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

/* What can be said of the peer's certificate; NULL: a client that has none. */
static const char *standing(const struct tls *tls)
{
    if (tls->pinned)
        return "pinned";
    if (tls->verified)
        return "verified";
    return tls->identity && !tls->reason.length ? NULL : "not verified";
}

void tls_describe(const struct tls *tls, struct buffer *words)
{
    const char *version = gnutls_protocol_get_name(gnutls_protocol_get_version(tls->session));
    const char *cipher = gnutls_cipher_get_name(gnutls_cipher_get(tls->session));
    const char *certificate = standing(tls);
    buffer_format(words, "%s, cipher %s", version ? version : "TLS", cipher ? cipher : "unknown");
    if (certificate)
        buffer_format(words, ", certificate %s", certificate);
    if (certificate && tls->identity && tls->reason.length)
        buffer_format(words, " (%s)", buffer_text(&tls->reason));
}

const char *tls_trouble(const struct tls *tls)
{
    return gnutls_strerror(tls->error);
}

void tls_finish(struct tls *tls)
{
    /* Without a handshake there is nobody to take it for what it is. */
    if (tls->established && !tls->finished)
        (void)gnutls_bye(tls->session, GNUTLS_SHUT_WR);
    tls->finished = true;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    tls_finish(tls);
    if (tls->session)
        gnutls_deinit(tls->session);
    if (tls->chosen)
        gnutls_certificate_free_credentials(tls->chosen);
    buffer_free(&tls->reason);
    free(tls);
}

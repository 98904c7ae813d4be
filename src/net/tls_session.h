/*
 * What both sides of TLS share of a session, and the start of GnuTLS. Only files of net/ use this;
 * everybody else takes struct tls as a closed thing.
 */
#ifndef NET_TLS_SESSION_H
#define NET_TLS_SESSION_H

#include <gnutls/gnutls.h>

#include "net/tls.h"

struct tls_identity;
struct tls_wish;

struct tls {
    gnutls_session_t session;
    int fd;                      /* the caller's */
    size_t idle;                 /* bytes that came since the last one that was for our caller */
    const struct tls_wish *wish; /* the client's side, during the handshake only */
    const struct tls_identity *identity;     /* the server's side */
    gnutls_certificate_credentials_t chosen; /* for the name that the client wants; or NULL */
    struct buffer reason;                    /* why the peer's certificate is not good */
    bool verified, pinned;
    bool established; /* the handshake is done */
    bool finished;    /* we have said goodbye */
    int error;        /* GnuTLS's own number of the last failure */
};

/* Starts GnuTLS, once a process, deaf to the environment and to the machine's policy. */
struct outcome tls_start_library(void);
/* A session that says what went wrong; free it with tls_free. Flags are those of gnutls_init, the
 * descriptor stays the caller's. */
struct tls *tls_make(unsigned flags, int fd, int *error);
/*
 * The handshake, until the deadline (clock_ms) or until the descriptor watch (-1: none) becomes
 * readable. LATER names the peer, such as "mx.example.org" or "the client".
 */
struct outcome tls_shake_hands(struct tls *tls, const char *peer, int watch, int64_t deadline);

#endif

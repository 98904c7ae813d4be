/*
 * Whom TLS trusts: credentials read once a process, and the judgement on a certificate, in words
 * that a person can act upon. Only the files net/tls*.c use this.
 */
#ifndef NET_TLS_TRUST_H
#define NET_TLS_TRUST_H

#include <stdbool.h>
#include <time.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "net/tls_client.h"

/* The credentials for a wish, kept for the life of the process; LATER 4.3.5 names what is wrong. */
struct outcome trust_credentials(const struct tls_wish *wish,
                                 gnutls_certificate_credentials_t *credentials);
/* Whether the peer's chain leads to whom we trust and is for this host, or for the other name; else
 * the reason is put behind the buffer. */
bool trust_check(gnutls_session_t session, const char *host, const char *also,
                 struct buffer *reason);
/* Whether the peer's certificate is the one with this fingerprint, and nothing else. */
bool trust_check_pin(gnutls_session_t session, const char *fingerprint, struct buffer *reason);
/* Whether a client's chain leads to whom we trust, and may be shown by a client; else why not. */
bool trust_check_client(gnutls_session_t session, struct buffer *reason);
/* The subject of the peer's certificate (RFC 4514), fit for a log; nothing without one. */
void trust_subject(gnutls_session_t session, struct buffer *name);
/* Likewise, who issued it. */
void trust_issuer(gnutls_session_t session, struct buffer *name);
/* When the peer's certificate ends; 0: it showed none that can be read. */
time_t trust_ends(gnutls_session_t session);

/* Whether a certificate is for this host, by its subject alternative names alone. */
bool trust_is_for(gnutls_x509_crt_t certificate, const char *host);
/* Whether it is valid by its own dates today; else the reason is put behind the buffer. */
bool trust_check_dates(gnutls_x509_crt_t certificate, struct buffer *reason);
/* As trust_is_for, of a certificate in DER. */
bool tls_certificate_is_for(const void *der, size_t length, const char *host);
/* SHA-256 in hex, any case, colons and spaces allowed, to its 32 bytes. */
bool tls_fingerprint_parse(const char *text, unsigned char digest[32]);

#endif

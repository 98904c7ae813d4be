/*
 * Whom TLS trusts: credentials read once a process, and the judgement on a certificate, in words
 * that a person can act upon. Only tls.c uses this.
 */
#ifndef NET_TLS_TRUST_H
#define NET_TLS_TRUST_H

#include <stdbool.h>

#include <gnutls/gnutls.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "net/tls.h"

/* The credentials for a wish, kept for the life of the process; LATER 4.3.5 names what is wrong. */
struct outcome trust_credentials(const struct tls_wish *wish,
                                 gnutls_certificate_credentials_t *credentials);
/* Whether the peer's chain leads to whom we trust and is for this host, or for the other name; else
 * the reason is put behind the buffer. */
bool trust_check(gnutls_session_t session, const char *host, const char *also,
                 struct buffer *reason);
/* Whether the peer's certificate is the one with this fingerprint, and nothing else. */
bool trust_check_pin(gnutls_session_t session, const char *fingerprint, struct buffer *reason);

#endif

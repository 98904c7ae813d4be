/*
 * TLS for the server's side: what the listener shows of itself, read once and used by every session
 * forked from the process that read it, and the handshake. TLS 1.2 and 1.3 with forward secrecy and
 * authenticated ciphers alone, the server's order of them, no renegotiation. RFC 3207, 8314, 9325;
 * sessions of TLS 1.3 are resumed by tickets (RFC 8446 2.2).
 */
#ifndef NET_TLS_SERVER_H
#define NET_TLS_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "base/text.h"
#include "net/tls.h"

/* Certificates, their keys, the authority for clients' certificates, the key of the tickets. */
struct tls_identity;

/*
 * Reads PEM files, pairwise; a key may stand in its certificate's file. The first pair is for
 * clients that name no host, or one that no certificate is for. client_ca "": no client is asked
 * for a certificate. A refusal (EX_CONFIG) names the file and what is wrong with it; a certificate
 * out of its dates is only logged.
 */
struct outcome tls_identity_load(const struct texts *certificates, const struct texts *keys,
                                 const char *client_ca, struct tls_identity **identity);
/* NULL is fine. No session made with it may be in use. */
void tls_identity_free(struct tls_identity *identity);

/*
 * The handshake on a connected, non-blocking descriptor, which stays the caller's, until the
 * deadline (clock_ms) or until the descriptor watch (-1: none) becomes readable. DONE with *tls
 * set, or LATER with the reason in words. The identity must outlive *tls.
 */
struct outcome tls_accept(struct tls **tls, int fd, const struct tls_identity *identity, int watch,
                          int64_t deadline);
/* Whether the client showed a certificate that client_ca vouches for. */
bool tls_client_is_verified(const struct tls *tls);
/* The subject of the client's certificate, verified or not, fit for a log; behind the buffer. */
void tls_client_name(const struct tls *tls, struct buffer *name);
/* Likewise, who issued it. */
void tls_client_issuer(const struct tls *tls, struct buffer *name);
/*
 * The clause for a Received field, "tls TLS_AES_256_GCM_SHA384 group X25519 (TLS1.3)"; behind the
 * buffer. It has its place behind the other clauses. RFC 8314 4.3.
 */
void tls_describe_received(const struct tls *tls, struct buffer *words);

/* How it is protected, for programs; static words, NULL where GnuTLS has none. */
struct tls_facts {
    const char *version; /* "TLS1.3" */
    const char *suite;   /* "TLS_AES_256_GCM_SHA384" */
    unsigned bits;       /* of the cipher's key */
};
struct tls_facts tls_facts(const struct tls *tls);

#endif

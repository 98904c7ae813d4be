/*
 * TLS for the client's side, by GnuTLS: one handshake, verified or not, then bytes. What protects
 * it is fixed here: TLS 1.2 at the least, one priority string, no environment variable and no
 * policy file of the machine changes it. RFC 8314, 8446, 9325; names by RFC 6125 and 9525.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/outcome.h"

struct tls;

struct tls_wish {
    const char *host;  /* the name or IP address that the certificate must have */
    const char *also;  /* another name that will do as well; NULL or "": none */
    bool verify;       /* false: any certificate will do, nothing below is looked at but keys */
    const char *trust; /* "system" or a PEM file; each is read once a process */
    const char
        *fingerprint; /* NULL or "": trust decides; else SHA-256 of the one good certificate */
    const char *certificate, *key; /* our own, PEM files; NULL or "": none */
};

/*
 * The handshake on a connected, non-blocking descriptor, which stays the caller's, until the
 * deadline (clock_ms). DONE with *tls set, or LATER: 4.7.5, with the reason in words.
 */
struct outcome tls_connect(struct tls **tls, int fd, const struct tls_wish *wish, int64_t deadline);
/* As recv and send: how many bytes; 0 (reading only) at the end; -1 with errno, EAGAIN among them:
 * then poll for what tls_wants_write says. A write that said EAGAIN is repeated with the same
 * bytes.
 */
ssize_t tls_read(struct tls *tls, void *data, size_t length);
ssize_t tls_write(struct tls *tls, const void *data, size_t length);
bool tls_wants_write(const struct tls *tls);
/* "TLS1.3, cipher AES-256-GCM, certificate verified"; behind the buffer. */
void tls_describe(const struct tls *tls, struct buffer *words);
/* What was the matter when tls_read or tls_write said EPROTO, in static words. */
const char *tls_trouble(const struct tls *tls);
/* Says goodbye without waiting and frees it; NULL is fine. */
void tls_free(struct tls *tls);

/* Whether a certificate (DER) is for this host, by its subject alternative names alone. */
bool tls_certificate_is_for(const void *der, size_t length, const char *host);
/* SHA-256 in hex, any case, colons and spaces allowed, to its 32 bytes. */
bool tls_fingerprint_parse(const char *text, unsigned char digest[32]);

#endif

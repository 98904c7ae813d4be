/*
 * TLS for the client's side: one handshake, verified or not. RFC 8314, 9325; names by RFC 6125 and
 * 9525. It never resumes a session.
 */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/outcome.h"
#include "net/tls.h"

struct tls_wish {
    const char *host;  /* the name or IP address that the certificate must have */
    const char *also;  /* another name that will do as well; NULL or "": none */
    bool verify;       /* false: any certificate will do, nothing below is looked at but keys */
    const char *trust; /* "system" or a PEM file; each is read once a process */
    const char
        *fingerprint; /* NULL or "": trust decides; else SHA-256 of the one good certificate */
    const char *certificate, *key; /* our own, PEM files; NULL or "": none */
};

/* Reads the files of the wish, once a process. LATER: what is wrong with them, as tls_connect will
 * say again. */
struct outcome tls_load(const struct tls_wish *wish);
/*
 * The handshake on a connected, non-blocking descriptor, which stays the caller's, until the
 * deadline (clock_ms). DONE with *tls set, or LATER: 4.7.5, with the reason in words.
 */
struct outcome tls_connect(struct tls **tls, int fd, const struct tls_wish *wish, int64_t deadline);
/* When the certificate that the server showed ends, in seconds since 1970; 0: it cannot be read. */
time_t tls_server_ends(const struct tls *tls);

#endif

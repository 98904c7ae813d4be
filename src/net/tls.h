/*
 * A TLS session by GnuTLS, whichever side began it: tls_client.h and tls_server.h make one. What
 * protects it is fixed there: TLS 1.2 at the least, one list of algorithms for each side; no
 * environment variable and no policy file of the machine changes it. RFC 8446, 9325.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"

struct tls;

/* As recv and send: how many bytes; 0 (reading only) at the end; -1 with errno, EAGAIN among them:
 * then poll for what tls_wants_write says. A write that said EAGAIN is repeated with the same
 * bytes.
 */
ssize_t tls_read(struct tls *tls, void *data, size_t length);
ssize_t tls_write(struct tls *tls, const void *data, size_t length);
bool tls_wants_write(const struct tls *tls);
/* "TLS1.3, cipher AES-256-GCM, certificate verified"; behind the buffer. Of a client that showed
 * no certificate the last words are left out. */
void tls_describe(const struct tls *tls, struct buffer *words);
/* What was the matter when tls_read or tls_write said EPROTO, in static words. */
const char *tls_trouble(const struct tls *tls);
/* Tells the peer that nothing more will come; it can still be read from. */
void tls_finish(struct tls *tls);
/* Says goodbye without waiting, unless that has been done, and frees it; NULL is fine. */
void tls_free(struct tls *tls);

#endif

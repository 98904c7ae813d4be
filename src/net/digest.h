/* SHA-256 of bytes as they come (FIPS 180-4), by GnuTLS. */
#ifndef NET_DIGEST_H
#define NET_DIGEST_H

#include <stddef.h>

enum { DIGEST_SIZE = 32 };

struct digest;

/* Starts GnuTLS, once a process. The others do that by themselves, but in a sandbox they could not.
 */
void digest_start(void);

/* A SHA-256 of what is put into it. */
struct digest *digest_open(void);
void digest_put(struct digest *digest, const void *data, size_t length);
/* Ends it and frees it. The sum may be NULL. */
void digest_close(struct digest *digest, unsigned char sum[DIGEST_SIZE]);

#endif

/* SHA-256 (see digest.h). What GnuTLS cannot do here it can do nowhere: that ends the program. */
#include "net/digest.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>

#include "base/memory.h"
#include "net/tls_session.h"

struct digest {
    gnutls_hash_hd_t handle;
};

void digest_start(void)
{
    struct outcome outcome = tls_start_library();
    if (!outcome_good(&outcome))
        impossible(outcome.reason);
}

struct digest *digest_open(void)
{
    digest_start();
    struct digest *digest = memory_get(sizeof *digest);
    if (gnutls_hash_init(&digest->handle, GNUTLS_DIG_SHA256) < 0)
        impossible("a GnuTLS without SHA-256");
    return digest;
}

void digest_put(struct digest *digest, const void *data, size_t length)
{
    if (length && gnutls_hash(digest->handle, data, length) < 0)
        impossible("bytes without a hash");
}

void digest_close(struct digest *digest, unsigned char sum[DIGEST_SIZE])
{
    gnutls_hash_deinit(digest->handle, sum);
    free(digest);
}

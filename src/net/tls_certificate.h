/* What a certificate in a file of ours says of itself. */
#ifndef NET_TLS_CERTIFICATE_H
#define NET_TLS_CERTIFICATE_H

#include <stdbool.h>
#include <time.h>

#include "base/outcome.h"

struct tls_certificate {
    time_t begins, ends; /* seconds since 1970 */
    bool is_for_host;    /* by its subject alternative names */
};

/* The first one in a PEM file; host NULL: not asked about. EX_CONFIG: there is none. */
struct outcome tls_certificate_read(const char *path, const char *host,
                                    struct tls_certificate *certificate);

#endif

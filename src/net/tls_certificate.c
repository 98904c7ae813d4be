/* See tls_certificate.h. A key that stands in the same file is not kept in memory. */
#include "net/tls_certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "net/tls_session.h"
#include "net/tls_trust.h"

enum { LARGEST = 1 << 20 };

/* All of it, in memory that is never moved; the caller wipes it. */
static struct outcome load(const char *path, struct buffer *pem)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    struct outcome outcome = outcome_done();
    if (fd < 0 || fstat(fd, &status) < 0) {
        outcome = outcome_errno(errno, "cannot read the certificate %s", path);
    } else if (!S_ISREG(status.st_mode) || status.st_size > LARGEST) {
        outcome = outcome_refuse(EX_CONFIG, "%s is no file with a certificate", path);
    } else {
        size_t size = (size_t)status.st_size;
        char *content = memory_get(size + 1);
        ssize_t length = file_read(fd, content, size);
        if (length < 0)
            outcome = outcome_errno(errno, "cannot read the certificate %s", path);
        *pem = (struct buffer){
            .data = content, .length = length < 0 ? 0 : (size_t)length, .capacity = size + 1};
    }
    file_close(&fd);
    return outcome;
}

static struct outcome parse(const char *path, const struct buffer *pem, const char *host,
                            struct tls_certificate *certificate)
{
    gnutls_datum_t data = {(unsigned char *)pem->data, (unsigned)pem->length};
    gnutls_x509_crt_t *chain;
    unsigned count = 0;
    int error = gnutls_x509_crt_list_import2(&chain, &count, &data, GNUTLS_X509_FMT_PEM, 0);
    if (error < 0)
        return outcome_refuse(EX_CONFIG, "%s holds no certificate: %s", path,
                              gnutls_strerror(error));
    certificate->begins = gnutls_x509_crt_get_activation_time(chain[0]);
    certificate->ends = gnutls_x509_crt_get_expiration_time(chain[0]);
    certificate->is_for_host = host && trust_is_for(chain[0], host);
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(chain[i]);
    gnutls_free(chain);
    return outcome_done();
}

struct outcome tls_certificate_read(const char *path, const char *host,
                                    struct tls_certificate *certificate)
{
    struct buffer pem = {0};
    *certificate = (struct tls_certificate){0};
    struct outcome outcome = tls_start_library();
    if (outcome_good(&outcome))
        outcome = load(path, &pem);
    if (outcome_good(&outcome))
        outcome = parse(path, &pem, host, certificate);
    buffer_wipe(&pem);
    return outcome;
}

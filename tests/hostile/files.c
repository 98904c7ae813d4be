/* See files.h. */
#include "files.h"

#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/tls_session.h"

static void save(const char *path, gnutls_datum_t *pem)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, pem->data, pem->size) != (ssize_t)pem->size || close(fd) < 0)
        abort();
    gnutls_free(pem->data);
}

/* Signed by itself, and so what the client has to trust; the other one is for another host. */
static void make_certificate(const char *path, gnutls_x509_privkey_t key, const char *name,
                             bool loopback)
{
    static unsigned char serial = 1;
    static const unsigned char address[] = {127, 0, 0, 1};
    gnutls_x509_crt_t certificate;
    gnutls_datum_t pem;
    gnutls_x509_crt_init(&certificate);
    gnutls_x509_crt_set_version(certificate, 3);
    gnutls_x509_crt_set_serial(certificate, &serial, 1);
    serial++;
    gnutls_x509_crt_set_activation_time(certificate, time(NULL) - 1000);
    gnutls_x509_crt_set_expiration_time(certificate, time(NULL) + 100000);
    gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                  (unsigned)strlen(name));
    if (loopback)
        gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, address,
                                             sizeof address, GNUTLS_FSAN_SET);
    else
        gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, name,
                                             (unsigned)strlen(name), GNUTLS_FSAN_SET);
    gnutls_x509_crt_set_key(certificate, key);
    if (gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0) < 0 ||
        gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem) < 0)
        abort();
    save(path, &pem);
    gnutls_x509_crt_deinit(certificate);
}

void files_make(struct files *files)
{
    gnutls_x509_privkey_t key;
    gnutls_datum_t pem;
    snprintf(files->folder, sizeof files->folder, "/tmp/postrider-hostile.XXXXXX");
    if (tls_start_library().result != DONE || !mkdtemp(files->folder))
        abort();
    snprintf(files->authority, sizeof files->authority, "%s/good.pem", files->folder);
    snprintf(files->strange, sizeof files->strange, "%s/strange.pem", files->folder);
    snprintf(files->key, sizeof files->key, "%s/key.pem", files->folder);
    gnutls_x509_privkey_init(&key);
    if (gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) < 0 ||
        gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem) < 0)
        abort();
    save(files->key, &pem);
    make_certificate(files->authority, key, "hostile.example", true);
    make_certificate(files->strange, key, "strange.example", false);
    gnutls_x509_privkey_deinit(key);
}

void files_remove(const struct files *files)
{
    unlink(files->authority);
    unlink(files->strange);
    unlink(files->key);
    rmdir(files->folder);
}

/*
 * Files with certificates and keys for the tests of the server's side, in a folder of their own:
 * an authority, and what it has signed. Keys are ec.key and rsa.key.
 */
#ifndef TESTS_UNIT_TLS_FILES_H
#define TESTS_UNIT_TLS_FILES_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "certificate.h"
#include "net/tls_server.h"
#include "net/tls_session.h"

static char folder[] = "/tmp/test_tls.XXXXXX";
static gnutls_x509_privkey_t authority_key, ec_key, rsa_key;
static gnutls_x509_crt_t authority;

static inline const char *file(const char *name)
{
    static char paths[8][100];
    static size_t next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline void save(const char *name, int mode, const char *text, size_t length)
{
    int fd = open(file(name), O_WRONLY | O_CREAT | O_APPEND, mode);
    assert_true(fd >= 0);
    assert_true(file_write(fd, text, length));
    file_close(&fd);
}

static inline void save_certificate(const char *name, gnutls_x509_crt_t certificate)
{
    gnutls_datum_t pem;
    assert_int_equal(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem), 0);
    save(name, 0640, (char *)pem.data, pem.size);
    gnutls_free(pem.data);
}

static inline void save_key(const char *name, int mode, gnutls_x509_privkey_t key)
{
    gnutls_datum_t pem;
    assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
    save(name, mode, (char *)pem.data, pem.size);
    gnutls_free(pem.data);
}

/* NAME.crt with the alternative name and the purpose, if any; by the authority, or by itself. */
static inline void issue(const char *name, const char *host, const char *purpose,
                         gnutls_x509_privkey_t key, bool signed_by_itself, int from, int to)
{
    char path[64];
    gnutls_x509_crt_t certificate = certificate_make(name, from, to);
    if (host)
        certificate_name(certificate, host);
    if (purpose)
        gnutls_x509_crt_set_key_purpose_oid(certificate, purpose, 0);
    certificate_sign(certificate, key, signed_by_itself ? certificate : authority,
                     signed_by_itself ? key : authority_key);
    snprintf(path, sizeof path, "%s.crt", name);
    save_certificate(path, certificate);
    gnutls_x509_crt_deinit(certificate);
}

static inline struct outcome load(const char *certificates, const char *keys, const char *client_ca,
                                  struct tls_identity **made)
{
    struct texts names[2] = {{0}, {0}}, paths[2] = {{0}, {0}};
    texts_split(&names[0], certificates);
    texts_split(&names[1], keys);
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < names[i].count; j++)
            texts_add(&paths[i], file(names[i].items[j]));
        texts_free(&names[i]);
    }
    struct outcome outcome =
        tls_identity_load(&paths[0], &paths[1], *client_ca ? file(client_ca) : "", made);
    texts_free(&paths[0]);
    texts_free(&paths[1]);
    return outcome;
}

static inline int remove_one(const char *path, const struct stat *status, int kind,
                             struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static inline void files_begin(void)
{
    struct outcome outcome = tls_start_library();
    assert_true(outcome_good(&outcome));
    assert_non_null(mkdtemp(folder));
    authority_key = key_make(GNUTLS_PK_ECDSA);
    ec_key = key_make(GNUTLS_PK_ECDSA);
    rsa_key = key_make(GNUTLS_PK_RSA);
    authority = certificate_make("authority", -3600, 3600);
    gnutls_x509_crt_set_basic_constraints(authority, 1, -1);
    certificate_sign(authority, authority_key, authority, authority_key);
    save_certificate("authority.crt", authority);
    save_key("ec.key", 0640, ec_key);
    save_key("rsa.key", 0640, rsa_key);
}

static inline void files_end(void)
{
    gnutls_x509_crt_deinit(authority);
    gnutls_x509_privkey_deinit(authority_key);
    gnutls_x509_privkey_deinit(ec_key);
    gnutls_x509_privkey_deinit(rsa_key);
    assert_int_equal(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

#endif

/* Certificates made by the tests of TLS. The key is the caller's. */
#ifndef TESTS_UNIT_CERTIFICATE_H
#define TESTS_UNIT_CERTIFICATE_H

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

static inline gnutls_x509_privkey_t key_make(gnutls_pk_algorithm_t algorithm)
{
    gnutls_x509_privkey_t key;
    unsigned bits =
        algorithm == GNUTLS_PK_RSA ? 2048 : GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
    assert_int_equal(gnutls_x509_privkey_init(&key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(key, algorithm, bits, 0), 0);
    return key;
}

/* Valid from so many seconds after now, to so many. */
static inline gnutls_x509_crt_t certificate_make(const char *common_name, int from, int to)
{
    static unsigned char serial;
    gnutls_x509_crt_t certificate;
    serial++;
    assert_int_equal(gnutls_x509_crt_init(&certificate), 0);
    gnutls_x509_crt_set_version(certificate, 3);
    gnutls_x509_crt_set_serial(certificate, &serial, 1);
    gnutls_x509_crt_set_activation_time(certificate, time(NULL) + from);
    gnutls_x509_crt_set_expiration_time(certificate, time(NULL) + to);
    gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, common_name,
                                  (unsigned)strlen(common_name));
    return certificate;
}

/* An alternative name: DNS, or IP where it looks like one. */
static inline void certificate_name(gnutls_x509_crt_t certificate, const char *name)
{
    unsigned char address[4];
    bool literal = inet_pton(AF_INET, name, address) == 1;
    int error = gnutls_x509_crt_set_subject_alt_name(
        certificate, literal ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME,
        literal ? (const void *)address : name, literal ? 4 : (unsigned)strlen(name),
        GNUTLS_FSAN_APPEND);
    assert_int_equal(error, 0);
}

static inline void certificate_sign(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key,
                                    gnutls_x509_crt_t issuer, gnutls_x509_privkey_t issuer_key)
{
    assert_int_equal(gnutls_x509_crt_set_key(certificate, key), 0);
    assert_int_equal(gnutls_x509_crt_sign2(certificate, issuer, issuer_key, GNUTLS_DIG_SHA256, 0),
                     0);
}

#endif

/*
 * Keys that sign mail (see signing_key.h). Knows no fields: what is signed is a hash.
 */
#include "net/signing_key.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/base64.h"
#include "base/memory.h"
#include "config/secret.h"

enum { RSA_FEWEST_BITS = 1024, RSA_BITS = 2048, KEY_FILE_LARGEST = 65536 };

struct signing_key {
    gnutls_x509_privkey_t secret;
    gnutls_privkey_t handle; /* of the secret, for signing */
    enum key_type type;
};

static struct outcome fail(const char *what, int error)
{
    return outcome_later("4.7.5", "cannot %s: %s", what, gnutls_strerror(error));
}

/* Of the secret in it: what kind it is, and what signs with it. */
static int finish(struct signing_key *key)
{
    key->type =
        gnutls_x509_privkey_get_pk_algorithm(key->secret) == GNUTLS_PK_RSA ? KEY_RSA : KEY_ED25519;
    int error = gnutls_privkey_init(&key->handle);
    if (error < 0) {
        key->handle = NULL;
        return error;
    }
    return gnutls_privkey_import_x509(key->handle, key->secret, 0);
}

static struct signing_key *open_key(int *error)
{
    struct signing_key *key = memory_get(sizeof *key);
    digest_start();
    *error = gnutls_x509_privkey_init(&key->secret);
    if (*error < 0)
        key->secret = NULL;
    return key;
}

static struct outcome check(gnutls_x509_privkey_t secret, const char *name)
{
    unsigned bits = 0;
    int algorithm = gnutls_x509_privkey_get_pk_algorithm2(secret, &bits);
    if (algorithm == GNUTLS_PK_RSA && bits < RSA_FEWEST_BITS)
        return outcome_refuse(EX_CONFIG,
                              "%s holds an RSA key of %u bits: verifiers take none of "
                              "fewer than %d; make a new one of 2048",
                              name, bits, RSA_FEWEST_BITS);
    if (algorithm != GNUTLS_PK_RSA && algorithm != GNUTLS_PK_EDDSA_ED25519)
        return outcome_refuse(EX_CONFIG,
                              "%s holds a key that is neither RSA nor Ed25519: verifiers "
                              "of mail know no other",
                              name);
    return outcome_done();
}

struct outcome signing_key_parse(const struct buffer *pem, const char *name,
                                 struct signing_key **made)
{
    int error;
    struct signing_key *key = open_key(&error);
    struct outcome outcome;
    gnutls_datum_t data = {(unsigned char *)pem->data, (unsigned)pem->length};
    if (error >= 0)
        error = gnutls_x509_privkey_import2(key->secret, &data, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (error == GNUTLS_E_DECRYPTION_FAILED)
        outcome =
            outcome_refuse(EX_CONFIG, "%s is locked by a password: write it without one", name);
    else if (error < 0)
        outcome = outcome_refuse(EX_CONFIG, "%s holds no private key as PEM: %s", name,
                                 gnutls_strerror(error));
    else
        outcome = check(key->secret, name);
    if (outcome_good(&outcome) && (error = finish(key)) < 0)
        outcome = fail("use a key", error);
    if (!outcome_good(&outcome)) {
        signing_key_free(key);
        key = NULL;
    }
    *made = key;
    return outcome;
}

struct outcome signing_key_load(const char *path, struct signing_key **key)
{
    struct buffer pem = {0};
    *key = NULL;
    struct outcome outcome = secret_load(path, KEY_FILE_LARGEST, &pem);
    if (outcome_good(&outcome))
        outcome = signing_key_parse(&pem, path, key);
    buffer_wipe(&pem);
    return outcome;
}

struct outcome signing_key_make(enum key_type type, struct signing_key **made)
{
    int error;
    struct signing_key *key = open_key(&error);
    if (error >= 0)
        error =
            type == KEY_RSA
                ? gnutls_x509_privkey_generate(key->secret, GNUTLS_PK_RSA, RSA_BITS, 0)
                : gnutls_x509_privkey_generate(key->secret, GNUTLS_PK_EDDSA_ED25519,
                                               GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519), 0);
    if (error >= 0)
        error = finish(key);
    if (error < 0) {
        signing_key_free(key);
        key = NULL;
    }
    *made = key;
    return error < 0 ? fail("make a key", error) : outcome_done();
}

void signing_key_free(struct signing_key *key)
{
    if (!key)
        return;
    if (key->handle)
        gnutls_privkey_deinit(key->handle);
    if (key->secret)
        gnutls_x509_privkey_deinit(key->secret);
    free(key);
}

enum key_type signing_key_type(const struct signing_key *key)
{
    return key->type;
}

unsigned signing_key_bits(const struct signing_key *key)
{
    unsigned bits = 0;
    (void)gnutls_x509_privkey_get_pk_algorithm2(key->secret, &bits);
    return bits;
}

const char *signing_key_name(enum key_type type)
{
    return type == KEY_RSA ? "rsa" : "ed25519";
}

struct outcome signing_key_format(const struct signing_key *key, struct buffer *pem)
{
    gnutls_datum_t text = {0};
    int error = gnutls_x509_privkey_export2_pkcs8(key->secret, GNUTLS_X509_FMT_PEM, NULL,
                                                  GNUTLS_PKCS_PLAIN, &text);
    if (error < 0)
        return fail("write a key", error);
    buffer_append(pem, text.data, text.size);
    memory_wipe(text.data, text.size);
    gnutls_free(text.data);
    return outcome_done();
}

/* The DER form of SubjectPublicKeyInfo for RSA, the 32 bytes alone for Ed25519. */
static int export_public(gnutls_pubkey_t public, enum key_type type, gnutls_datum_t *bytes)
{
    gnutls_ecc_curve_t curve;
    return type == KEY_RSA ? gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, bytes)
                           : gnutls_pubkey_export_ecc_raw2(public, &curve, bytes, NULL, 0);
}

struct outcome signing_key_format_public(const struct signing_key *key, struct buffer *base64)
{
    gnutls_pubkey_t public;
    gnutls_datum_t bytes = {0};
    int error = gnutls_pubkey_init(&public);
    if (error < 0)
        return fail("find the public part of a key", error);
    error = gnutls_pubkey_import_privkey(public, key->handle, 0, 0);
    if (error >= 0)
        error = export_public(public, key->type, &bytes);
    if (error >= 0)
        base64_put(bytes.data, bytes.size, base64);
    gnutls_free(bytes.data);
    gnutls_pubkey_deinit(public);
    return error < 0 ? fail("find the public part of a key", error) : outcome_done();
}

struct outcome signing_key_sign(const struct signing_key *key, const unsigned char sum[DIGEST_SIZE],
                                struct buffer *base64)
{
    unsigned char bytes[DIGEST_SIZE];
    memcpy(bytes, sum, sizeof bytes);
    gnutls_datum_t hash = {bytes, sizeof bytes}, signature = {0};
    int error = key->type == KEY_RSA
                    ? gnutls_privkey_sign_hash(key->handle, GNUTLS_DIG_SHA256, 0, &hash, &signature)
                    : gnutls_privkey_sign_data2(key->handle, GNUTLS_SIGN_EDDSA_ED25519, 0, &hash,
                                                &signature);
    if (error < 0)
        return fail("sign", error);
    base64_put(signature.data, signature.size, base64);
    gnutls_free(signature.data);
    return outcome_done();
}

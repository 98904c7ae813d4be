/*
 * The server's side of TLS. GnuTLS would choose among certificates by the exact letters of a name;
 * ours are chosen by the rules for certificates, wildcards and all. It never looks into a message
 * and never decides what a client's certificate is good for.
 */
#include "net/tls_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/tls_session.h"
#include "net/tls_trust.h"

enum { PEM_LARGEST = 1024 * 1024 };

/*
 * No key exchange without forward secrecy, no cipher without authentication (CBC), no finite fields
 * (their size costs us much and the client little). Nothing of it refers to "@SYSTEM".
 */
static const char priorities[] =
    "NORMAL:%PROFILE_MEDIUM:%SERVER_PRECEDENCE:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:"
    "-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"
    "-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD:"
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1:"
    "-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:-SIGN-DSA-SHA1";

/* A certificate with what vouches for it, and its key. */
struct pair {
    gnutls_x509_crt_t *chain;
    unsigned count;
    gnutls_x509_privkey_t key;
};

struct tls_identity {
    struct pair *pairs;
    size_t count;
    gnutls_certificate_credentials_t credentials; /* all pairs, in their order */
    gnutls_priority_t priorities;
    gnutls_datum_t ticket_key;
    gnutls_datum_t client_ca; /* PEM */
};

static struct outcome cannot_read(const char *setting, const char *path)
{
    if (errno == EACCES)
        return outcome_refuse(EX_CONFIG,
                              "%s %s cannot be read by user id %lu: give it to the listener's "
                              "group (chgrp, chmod 640) and let that group into its folder",
                              setting, path, (unsigned long)geteuid());
    return outcome_refuse(EX_CONFIG, "%s %s cannot be read: %s", setting, path, strerror(errno));
}

/* The whole file in memory that is never moved, to be wiped. */
static struct outcome read_pem(const char *setting, const char *path, bool secret,
                               struct buffer *pem)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    if (fd < 0)
        return cannot_read(setting, path);
    struct outcome outcome = outcome_done();
    if (fstat(fd, &status) < 0)
        outcome = cannot_read(setting, path);
    else if (!S_ISREG(status.st_mode) || status.st_size > PEM_LARGEST)
        outcome = outcome_refuse(EX_CONFIG, "%s %s is no file with a %s", setting, path,
                                 secret ? "key" : "certificate");
    else if (secret && status.st_mode & (S_IWGRP | S_IRWXO))
        outcome =
            outcome_refuse(EX_CONFIG, "%s %s is open to others: chmod 640 %s", setting, path, path);
    if (outcome_good(&outcome)) {
        char *content = memory_get((size_t)status.st_size + 1);
        ssize_t length = file_read(fd, content, (size_t)status.st_size);
        if (length < 0)
            outcome = cannot_read(setting, path);
        *pem = (struct buffer){.data = content,
                               .length = length < 0 ? 0 : (size_t)length,
                               .capacity = (size_t)status.st_size + 1};
    }
    file_close(&fd);
    return outcome;
}

static gnutls_datum_t as_datum(const struct buffer *buffer)
{
    return (gnutls_datum_t){(unsigned char *)buffer->data, (unsigned)buffer->length};
}

static struct outcome load_chain(struct pair *pair, const char *path)
{
    struct buffer pem = {0};
    struct outcome outcome = read_pem("tls_certificate", path, false, &pem);
    if (outcome_good(&outcome)) {
        gnutls_datum_t data = as_datum(&pem);
        int error =
            gnutls_x509_crt_list_import2(&pair->chain, &pair->count, &data, GNUTLS_X509_FMT_PEM, 0);
        if (error < 0) {
            pair->chain = NULL;
            pair->count = 0;
            outcome = outcome_refuse(EX_CONFIG, "tls_certificate %s holds no certificate: %s", path,
                                     gnutls_strerror(error));
        }
    }
    buffer_wipe(&pem); /* a key may stand in it as well */
    struct buffer fault = {0};
    if (outcome_good(&outcome) && !trust_check_dates(pair->chain[0], &fault))
        log_error("tls_certificate %s: %s; clients that verify it stay away", path,
                  buffer_text(&fault));
    buffer_free(&fault);
    return outcome;
}

static struct outcome load_key(struct pair *pair, const char *path)
{
    struct buffer pem = {0};
    struct outcome outcome = read_pem("tls_key", path, true, &pem);
    if (outcome_good(&outcome)) {
        gnutls_datum_t data = as_datum(&pem);
        int error = gnutls_x509_privkey_init(&pair->key);
        if (error < 0)
            pair->key = NULL;
        else
            error = gnutls_x509_privkey_import2(pair->key, &data, GNUTLS_X509_FMT_PEM, NULL, 0);
        if (error == GNUTLS_E_DECRYPTION_FAILED)
            outcome = outcome_refuse(EX_CONFIG,
                                     "tls_key %s is locked by a password: write it "
                                     "without one",
                                     path);
        else if (error < 0)
            outcome = outcome_refuse(EX_CONFIG, "tls_key %s holds no key: %s", path,
                                     gnutls_strerror(error));
    }
    buffer_wipe(&pem);
    return outcome;
}

static int add_pair(gnutls_certificate_credentials_t credentials, const struct pair *pair)
{
    return gnutls_certificate_set_x509_key(credentials, pair->chain, (int)pair->count, pair->key);
}

static struct outcome load_pair(struct tls_identity *identity, size_t number,
                                const char *certificate, const char *key)
{
    struct pair *pair = &identity->pairs[number];
    struct outcome outcome = load_chain(pair, certificate);
    if (outcome_good(&outcome))
        outcome = load_key(pair, key);
    if (!outcome_good(&outcome))
        return outcome;
    int error = add_pair(identity->credentials, pair);
    if (error == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return outcome_refuse(EX_CONFIG, "tls_key %s does not fit tls_certificate %s", key,
                              certificate);
    if (error < 0)
        return outcome_refuse(EX_CONFIG, "cannot use tls_certificate %s with tls_key %s: %s",
                              certificate, key, gnutls_strerror(error));
    return outcome;
}

static struct outcome load_client_ca(struct tls_identity *identity, const char *path)
{
    struct buffer pem = {0};
    struct outcome outcome = read_pem("tls_client_ca", path, false, &pem);
    if (!outcome_good(&outcome))
        return outcome;
    identity->client_ca = as_datum(&pem);
    int count = gnutls_certificate_set_x509_trust_mem(identity->credentials, &identity->client_ca,
                                                      GNUTLS_X509_FMT_PEM);
    if (count <= 0)
        return outcome_refuse(EX_CONFIG, "tls_client_ca %s holds no certificate%s%s", path,
                              count < 0 ? ": " : "", count < 0 ? gnutls_strerror(count) : "");
    return outcome;
}

static struct outcome prepare(struct tls_identity *identity)
{
    struct outcome outcome = tls_start_library();
    if (!outcome_good(&outcome))
        return outcome;
    int error = gnutls_certificate_allocate_credentials(&identity->credentials);
    if (error >= 0)
        error = gnutls_priority_init(&identity->priorities, priorities, NULL);
    if (error >= 0)
        error = gnutls_session_ticket_key_generate(&identity->ticket_key);
    if (error < 0)
        return outcome_later("4.7.5", "cannot set up TLS: %s", gnutls_strerror(error));
    return outcome;
}

struct outcome tls_identity_load(const struct texts *certificates, const struct texts *keys,
                                 const char *client_ca, struct tls_identity **made)
{
    *made = NULL;
    if (!certificates->count)
        return outcome_refuse(EX_CONFIG, "tls_certificate is empty");
    if (keys->count != certificates->count)
        return outcome_refuse(EX_CONFIG, "tls_certificate names %zu files and tls_key %zu",
                              certificates->count, keys->count);
    struct tls_identity *identity = memory_get(sizeof *identity);
    struct outcome outcome = prepare(identity);
    identity->pairs = memory_get(certificates->count * sizeof *identity->pairs);
    identity->count = certificates->count;
    for (size_t i = 0; i < certificates->count && outcome_good(&outcome); i++)
        outcome = load_pair(identity, i, certificates->items[i], keys->items[i]);
    if (outcome_good(&outcome) && *client_ca)
        outcome = load_client_ca(identity, client_ca);
    if (outcome_good(&outcome))
        *made = identity;
    else
        tls_identity_free(identity);
    return outcome;
}

void tls_identity_free(struct tls_identity *identity)
{
    if (!identity)
        return;
    for (size_t i = 0; i < identity->count; i++) {
        struct pair *pair = &identity->pairs[i];
        for (unsigned j = 0; j < pair->count; j++)
            gnutls_x509_crt_deinit(pair->chain[j]);
        gnutls_free(pair->chain);
        if (pair->key)
            gnutls_x509_privkey_deinit(pair->key);
    }
    free(identity->pairs);
    if (identity->credentials)
        gnutls_certificate_free_credentials(identity->credentials);
    if (identity->priorities)
        gnutls_priority_deinit(identity->priorities);
    if (identity->ticket_key.data) {
        memory_wipe(identity->ticket_key.data, identity->ticket_key.size);
        gnutls_free(identity->ticket_key.data);
    }
    free(identity->client_ca.data);
    free(identity);
}

/* The host that the client wants, as it spelt it; "" when it names none. */
static void wanted_host(gnutls_session_t session, char *name, size_t size)
{
    unsigned type;
    size_t length = size - 1;
    if (gnutls_server_name_get(session, name, &length, &type, 0) < 0 || type != GNUTLS_NAME_DNS)
        length = 0;
    name[length] = '\0';
}

/*
 * Credentials whose first pairs are those that are for the host, so that GnuTLS takes one of them
 * if the client's algorithms allow it; NULL when that changes nothing.
 */
static gnutls_certificate_credentials_t choose(const struct tls_identity *identity,
                                               const char *host)
{
    gnutls_certificate_credentials_t chosen;
    bool any = false;
    if (!*host || identity->count < 2 || gnutls_certificate_allocate_credentials(&chosen) < 0)
        return NULL;
    int error = 0;
    for (int fitting = 1; fitting >= 0; fitting--)
        for (size_t i = 0; i < identity->count && error >= 0; i++)
            if (trust_is_for(identity->pairs[i].chain[0], host) == (fitting == 1)) {
                any = any || fitting;
                error = add_pair(chosen, &identity->pairs[i]);
            }
    if (error >= 0 && identity->client_ca.size)
        error = gnutls_certificate_set_x509_trust_mem(chosen, &identity->client_ca,
                                                      GNUTLS_X509_FMT_PEM);
    if (any && error >= 0)
        return chosen;
    gnutls_certificate_free_credentials(chosen);
    return NULL;
}

/* Called by GnuTLS when it has read what the client wants; twice after a retry (RFC 8446 4.1.4). */
static int on_hello(gnutls_session_t session)
{
    struct tls *tls = gnutls_session_get_ptr(session);
    char host[256];
    wanted_host(session, host, sizeof host);
    if (tls->chosen)
        return 0;
    tls->chosen = choose(tls->identity, host);
    return tls->chosen ? gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->chosen) : 0;
}

static int begin(struct tls *tls)
{
    const struct tls_identity *identity = tls->identity;
    /* Whoever speaks another protocol, say a browser that was led here, gets no further (ALPACA);
     * a client that names none is fine. */
    static const gnutls_datum_t smtp = {(unsigned char *)"smtp", 4};
    int error = gnutls_priority_set(tls->session, identity->priorities);
    if (error >= 0)
        error = gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, identity->credentials);
    if (error >= 0)
        error = gnutls_session_ticket_enable_server(tls->session, &identity->ticket_key);
    if (error >= 0)
        error = gnutls_alpn_set_protocols(tls->session, &smtp, 1, GNUTLS_ALPN_MANDATORY);
    gnutls_handshake_set_post_client_hello_function(tls->session, on_hello);
    gnutls_certificate_server_set_request(
        tls->session, identity->client_ca.size ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_IGNORE);
    return error;
}

struct outcome tls_accept(struct tls **made, int fd, const struct tls_identity *identity, int watch,
                          int64_t deadline)
{
    *made = NULL;
    int error;
    /* A ticket of TLS 1.2 holds the keys of the session that it came from, and GnuTLS stumbles over
     * one that comes back in a hello for 1.3. */
    struct tls *tls = tls_make(GNUTLS_SERVER | GNUTLS_NO_TICKETS_TLS12, fd, &error);
    tls->identity = identity;
    if (error >= 0)
        error = begin(tls);
    struct outcome outcome =
        error < 0 ? outcome_later("4.7.5", "cannot set up TLS: %s", gnutls_strerror(error))
                  : tls_shake_hands(tls, "the client", watch, deadline);
    if (!outcome_good(&outcome)) {
        tls_free(tls);
        return outcome;
    }
    /* After a resumption as well: a certificate may have expired since. */
    unsigned count = 0;
    if (identity->client_ca.size && gnutls_certificate_get_peers(tls->session, &count))
        tls->verified = trust_check_client(tls->session, &tls->reason);
    *made = tls;
    return outcome;
}

bool tls_client_is_verified(const struct tls *tls)
{
    return tls->verified;
}

void tls_client_name(const struct tls *tls, struct buffer *name)
{
    trust_subject(tls->session, name);
}

void tls_client_issuer(const struct tls *tls, struct buffer *name)
{
    trust_issuer(tls->session, name);
}

struct tls_facts tls_facts(const struct tls *tls)
{
    gnutls_cipher_algorithm_t cipher = gnutls_cipher_get(tls->session);
    return (struct tls_facts){
        .version = gnutls_protocol_get_name(gnutls_protocol_get_version(tls->session)),
        .suite = gnutls_ciphersuite_get(tls->session),
        .bits = (unsigned)gnutls_cipher_get_key_size(cipher) * 8};
}

void tls_describe_received(const struct tls *tls, struct buffer *words)
{
    const struct tls_facts facts = tls_facts(tls);
    const char *group = gnutls_group_get_name(gnutls_group_get(tls->session));
    buffer_format(words, "tls %s", facts.suite ? facts.suite : "unknown");
    if (group)
        buffer_format(words, " group %s", group);
    if (facts.version)
        buffer_format(words, " (%s)", facts.version);
}

/*
 * Trust. A name is looked for among the subject alternative names alone, never in the common name
 * (RFC 9525 section 2).
 */
#include "net/tls_trust.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/text.h"
#include "mail/date.h"
#include "net/tls_client.h"
#include "net/tls_session.h"

/* One for each combination of files that this process was asked for; seldom more than one. */
struct kept {
    char *trust, *certificate, *key;
    gnutls_certificate_credentials_t credentials;
    struct kept *next;
};

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

static struct outcome load_trust(gnutls_certificate_credentials_t credentials, const char *trust)
{
    if (!*trust)
        return outcome_done();
    bool system = strcmp(trust, "system") == 0;
    int count =
        system ? gnutls_certificate_set_x509_system_trust(credentials)
               : gnutls_certificate_set_x509_trust_file(credentials, trust, GNUTLS_X509_FMT_PEM);
    const char *name = system ? "the system's list of certificate authorities" : trust;
    if (count < 0)
        return outcome_later("4.3.5", "tls_trust: cannot read %s: %s", name,
                             gnutls_strerror(count));
    if (count == 0)
        return outcome_later("4.3.5", "tls_trust: no certificate in %s%s", name,
                             system ? "; is ca-certificates installed?" : "");
    return outcome_done();
}

static struct outcome load(gnutls_certificate_credentials_t *credentials, const char *trust,
                           const char *certificate, const char *key)
{
    int error = gnutls_certificate_allocate_credentials(credentials);
    if (error < 0)
        return outcome_later("4.7.5", "cannot set up TLS: %s", gnutls_strerror(error));
    struct outcome outcome = load_trust(*credentials, trust);
    if (outcome_good(&outcome) && *certificate) {
        /* A key may stand in the certificate's file. */
        const char *key_file = *key ? key : certificate;
        error = gnutls_certificate_set_x509_key_file(*credentials, certificate, key_file,
                                                     GNUTLS_X509_FMT_PEM);
        if (error < 0)
            outcome = outcome_later("4.3.5", "cannot use tls_certificate %s with tls_key %s: %s",
                                    certificate, key_file, gnutls_strerror(error));
    }
    if (!outcome_good(&outcome))
        gnutls_certificate_free_credentials(*credentials);
    return outcome;
}

struct outcome trust_credentials(const struct tls_wish *wish,
                                 gnutls_certificate_credentials_t *credentials)
{
    static struct kept *all;
    bool trusting = wish->verify && !*text_or_empty(wish->fingerprint);
    const char *trust = trusting ? text_or_empty(wish->trust) : "";
    if (trusting && !*trust)
        trust = "system";
    const char *certificate = text_or_empty(wish->certificate), *key = text_or_empty(wish->key);
    for (struct kept *kept = all; kept; kept = kept->next)
        if (strcmp(kept->trust, trust) == 0 && strcmp(kept->certificate, certificate) == 0 &&
            strcmp(kept->key, key) == 0) {
            *credentials = kept->credentials;
            return outcome_done();
        }
    struct outcome outcome = tls_start_library();
    if (outcome_good(&outcome))
        outcome = load(credentials, trust, certificate, key);
    if (!outcome_good(&outcome))
        return outcome;
    struct kept *kept = memory_get(sizeof *kept);
    *kept = (struct kept){memory_copy(trust, strlen(trust)),
                          memory_copy(certificate, strlen(certificate)),
                          memory_copy(key, strlen(key)), *credentials, all};
    all = kept;
    return outcome;
}

static bool has_dns_name(gnutls_x509_crt_t certificate)
{
    for (unsigned i = 0;; i++) {
        char name[512];
        size_t size = sizeof name;
        int kind = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &size, NULL);
        if (kind == GNUTLS_SAN_DNSNAME)
            return true;
        if (kind < 0 && kind != GNUTLS_E_SHORT_MEMORY_BUFFER)
            return false;
    }
}

bool trust_is_for(gnutls_x509_crt_t certificate, const char *host)
{
    unsigned char address[16];
    if (inet_pton(AF_INET, host, address) == 1)
        return gnutls_x509_crt_check_ip(certificate, address, 4, 0);
    if (inet_pton(AF_INET6, host, address) == 1)
        return gnutls_x509_crt_check_ip(certificate, address, 16, 0);
    /* Without a DNS name among the alternative ones GnuTLS would look into the common name. */
    if (!has_dns_name(certificate))
        return false;
    size_t length = strlen(host);
    char *name = memory_copy(host, length);
    if (length && name[length - 1] == '.')
        name[length - 1] = '\0';
    bool good =
        gnutls_x509_crt_check_hostname2(certificate, name, GNUTLS_VERIFY_DO_NOT_ALLOW_IP_MATCHES);
    free(name);
    return good;
}

bool tls_certificate_is_for(const void *der, size_t length, const char *host)
{
    struct outcome outcome = tls_start_library();
    gnutls_x509_crt_t certificate;
    if (!outcome_good(&outcome) || gnutls_x509_crt_init(&certificate) < 0)
        return false;
    gnutls_datum_t data = {(unsigned char *)der, (unsigned)length};
    bool good = gnutls_x509_crt_import(certificate, &data, GNUTLS_X509_FMT_DER) >= 0 &&
                trust_is_for(certificate, host);
    gnutls_x509_crt_deinit(certificate);
    return good;
}

/* The peer's own certificate, to be freed with gnutls_x509_crt_deinit. */
static bool peer_certificate(gnutls_session_t session, gnutls_x509_crt_t *certificate,
                             const gnutls_datum_t **der)
{
    unsigned count = 0;
    *der = gnutls_certificate_get_peers(session, &count);
    if (!*der || !count || gnutls_x509_crt_init(certificate) < 0)
        return false;
    if (gnutls_x509_crt_import(*certificate, *der, GNUTLS_X509_FMT_DER) >= 0)
        return true;
    gnutls_x509_crt_deinit(*certificate);
    return false;
}

static void add_reason(struct buffer *reason, const char *words)
{
    if (reason->length)
        buffer_append_text(reason, ", ");
    buffer_append_text(reason, words);
}

static void add_time(struct buffer *reason, const char *words, time_t when)
{
    char date[32];
    if (reason->length)
        buffer_append_text(reason, ", ");
    buffer_format(reason, "%s %s", words, date_brief(when, date, sizeof date));
}

bool trust_check_dates(gnutls_x509_crt_t certificate, struct buffer *reason)
{
    time_t now = time(NULL);
    time_t begin = gnutls_x509_crt_get_activation_time(certificate);
    time_t end = gnutls_x509_crt_get_expiration_time(certificate);
    if (end < now)
        add_time(reason, "expired on", end);
    if (begin > now)
        add_time(reason, "not yet valid, before", begin);
    return begin <= now && now <= end;
}

/* The signatures of the chain below its root: neither MD5 nor SHA-1, whatever else is allowed. */
static bool is_weak_signed(gnutls_x509_crt_t certificate)
{
    int algorithm = gnutls_x509_crt_get_signature_algorithm(certificate);
    return algorithm < 0 || !gnutls_sign_is_secure2((gnutls_sign_algorithm_t)algorithm,
                                                    GNUTLS_SIGN_FLAG_SECURE_FOR_CERTS);
}

static void explain(unsigned status, gnutls_x509_crt_t certificate, struct buffer *reason)
{
    static const struct {
        unsigned bit;
        const char *words;
    } faults[] = {
        {GNUTLS_CERT_SIGNER_NOT_CA, "its issuer is no certificate authority"},
        {GNUTLS_CERT_INSECURE_ALGORITHM, "insecure algorithm or key too short"},
        {GNUTLS_CERT_PURPOSE_MISMATCH, "wrong usage: it is not for this"},
        {GNUTLS_CERT_REVOKED, "revoked"},
        {GNUTLS_CERT_SIGNATURE_FAILURE, "its signature is wrong"},
        {GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE, "its issuer may not sign for this name"},
        {GNUTLS_CERT_UNKNOWN_CRIT_EXTENSIONS, "it has an unknown critical extension"},
        {GNUTLS_CERT_MISSING_OCSP_STATUS, "the OCSP status that it demands is missing"},
        {GNUTLS_CERT_INVALID_OCSP_STATUS, "its OCSP status is invalid"},
    };
    bool timely = trust_check_dates(certificate, reason);
    if (timely && status & GNUTLS_CERT_EXPIRED)
        add_reason(reason, "its issuer has expired");
    if (timely && status & GNUTLS_CERT_NOT_ACTIVATED)
        add_reason(reason, "its issuer is not yet valid");
    if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
        add_reason(reason, gnutls_x509_crt_check_issuer(certificate, certificate)
                               ? "self-signed"
                               : "unknown issuer");
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        if (status & faults[i].bit)
            add_reason(reason, faults[i].words);
    if (status && !reason->length)
        add_reason(reason, "not trusted");
}

/* Whether the peer's chain leads to whom we trust for this purpose (an OID); the certificate is
 * handed out when it can be read, to be freed. */
static bool check_chain(gnutls_session_t session, const char *purpose,
                        gnutls_x509_crt_t *certificate, struct buffer *reason)
{
    const gnutls_datum_t *der;
    if (!peer_certificate(session, certificate, &der)) {
        add_reason(reason, "none was shown, or it cannot be read");
        return false;
    }
    gnutls_typed_vdata_st wanted = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                    .data = (unsigned char *)purpose};
    unsigned status = 0;
    int error = gnutls_certificate_verify_peers(session, &wanted, 1, &status);
    if (error < 0)
        add_reason(reason, gnutls_strerror(error));
    if (is_weak_signed(*certificate))
        status |= GNUTLS_CERT_INSECURE_ALGORITHM;
    explain(status, *certificate, reason);
    return true;
}

bool trust_check(gnutls_session_t session, const char *host, const char *also,
                 struct buffer *reason)
{
    gnutls_x509_crt_t certificate;
    if (!check_chain(session, GNUTLS_KP_TLS_WWW_SERVER, &certificate, reason))
        return false;
    if (!trust_is_for(certificate, host) && !(also && *also && trust_is_for(certificate, also)))
        add_reason(reason, has_dns_name(certificate)
                               ? "wrong name: it is for another host"
                               : "wrong name: none of its alternative names is this host");
    gnutls_x509_crt_deinit(certificate);
    return reason->length == 0 && !reason->failed;
}

bool trust_check_client(gnutls_session_t session, struct buffer *reason)
{
    gnutls_x509_crt_t certificate;
    if (!check_chain(session, GNUTLS_KP_TLS_WWW_CLIENT, &certificate, reason))
        return false;
    gnutls_x509_crt_deinit(certificate);
    return reason->length == 0 && !reason->failed;
}

/* One of the two names in the peer's certificate. */
static void add_name(gnutls_session_t session, struct buffer *name,
                     int (*get)(gnutls_x509_crt_t certificate, gnutls_datum_t *dn, unsigned flags))
{
    gnutls_x509_crt_t certificate;
    const gnutls_datum_t *der;
    gnutls_datum_t dn;
    if (!peer_certificate(session, &certificate, &der))
        return;
    if (get(certificate, &dn, 0) >= 0) {
        size_t before = name->length;
        buffer_append(name, dn.data, dn.size);
        if (name->length > before)
            text_tame(name->data + before, name->length - before);
        gnutls_free(dn.data);
    }
    gnutls_x509_crt_deinit(certificate);
}

void trust_subject(gnutls_session_t session, struct buffer *name)
{
    add_name(session, name, gnutls_x509_crt_get_dn3);
}

void trust_issuer(gnutls_session_t session, struct buffer *name)
{
    add_name(session, name, gnutls_x509_crt_get_issuer_dn3);
}

time_t trust_ends(gnutls_session_t session)
{
    gnutls_x509_crt_t certificate;
    const gnutls_datum_t *der;
    if (!peer_certificate(session, &certificate, &der))
        return 0;
    time_t end = gnutls_x509_crt_get_expiration_time(certificate);
    gnutls_x509_crt_deinit(certificate);
    return end < 0 ? 0 : end;
}

bool tls_fingerprint_parse(const char *text, unsigned char digest[32])
{
    static const char digits[] = "0123456789abcdef";
    size_t count = 0;
    for (; *text; text++) {
        if (*text == ':' || *text == ' ')
            continue;
        const char *digit = strchr(digits, *text >= 'A' && *text <= 'F' ? *text + 32 : *text);
        if (!digit || count == 64)
            return false;
        unsigned value = (unsigned)(digit - digits);
        digest[count / 2] = (unsigned char)(count % 2 ? digest[count / 2] | value : value << 4);
        count++;
    }
    return count == 64;
}

bool trust_check_pin(gnutls_session_t session, const char *fingerprint, struct buffer *reason)
{
    unsigned char wanted[32], found[32];
    if (!tls_fingerprint_parse(fingerprint, wanted)) {
        add_reason(reason, "tls_fingerprint is not a SHA-256 in hex");
        return false;
    }
    unsigned count = 0;
    const gnutls_datum_t *der = gnutls_certificate_get_peers(session, &count);
    if (!der || !count || gnutls_hash_fast(GNUTLS_DIG_SHA256, der->data, der->size, found) < 0) {
        add_reason(reason, "none was shown, or it cannot be read");
        return false;
    }
    if (memcmp(wanted, found, sizeof found) == 0)
        return true;
    buffer_append_text(reason, "its SHA-256 is ");
    for (size_t i = 0; i < sizeof found; i++)
        buffer_format(reason, "%02x", found[i]);
    buffer_append_text(reason, ", not tls_fingerprint");
    return false;
}

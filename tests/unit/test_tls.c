/* Whose certificate it is, fingerprints, and which SASL mechanism is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "certificate.h"
#include "net/sasl.h"
#include "net/tls_trust.h"

static gnutls_x509_privkey_t key;

static int make_key(void **state)
{
    (void)state;
    /* Starts the library, too. */
    if (tls_certificate_is_for("", 0, "nobody.example"))
        return -1;
    key = key_make(GNUTLS_PK_ECDSA);
    return 0;
}

static int free_key(void **state)
{
    (void)state;
    gnutls_x509_privkey_deinit(key);
    return 0;
}

/* GnuTLS itself would cut a name at a NUL: the extension is put together by hand (RFC
 * 5280 4.2.1.6), for one name alone. */
static void set_name_with_nul(gnutls_x509_crt_t certificate, const char *text)
{
    unsigned char name[64];
    size_t length = strlen(text);
    assert_true(length + 4 < sizeof name);
    name[0] = 0x30; /* SEQUENCE */
    name[1] = (unsigned char)(length + 2);
    name[2] = 0x82; /* [2]: dNSName */
    name[3] = (unsigned char)length;
    for (size_t i = 0; i < length; i++)
        name[4 + i] = text[i] == '|' ? '\0' : (unsigned char)text[i];
    int error = gnutls_x509_crt_set_extension_by_oid(certificate, GNUTLS_X509EXT_OID_SAN, name,
                                                     (unsigned)length + 4, 0);
    assert_int_equal(error, 0);
}

/*
 * Whether a certificate with these names (DNS, or IP where it looks like one) is for the host; a
 * '|' in a name stands for a NUL byte.
 */
static bool matches(const char *common_name, const char *const *names, const char *host)
{
    gnutls_x509_crt_t certificate = certificate_make(common_name, -60, 60);
    gnutls_datum_t der;
    for (; *names; names++)
        if (strchr(*names, '|'))
            set_name_with_nul(certificate, *names);
        else
            certificate_name(certificate, *names);
    certificate_sign(certificate, key, certificate, key);
    assert_int_equal(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_DER, &der), 0);
    bool good = tls_certificate_is_for(der.data, der.size, host);
    gnutls_free(der.data);
    gnutls_x509_crt_deinit(certificate);
    return good;
}

#define NAMES(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static void test_C7_names(void **state)
{
    (void)state;
    assert_true(matches("x", NAMES("mail.example.org"), "mail.example.org"));
    assert_true(matches("x", NAMES("a.example", "mail.example.org"), "MAIL.example.org"));
    assert_true(matches("x", NAMES("mail.example.org"), "mail.example.org."));
    assert_false(matches("x", NAMES("mail.example.org"), "example.org"));
    assert_false(matches("x", NAMES("mail.example.org"), "mail.example.org.evil.example"));
    assert_false(matches("x", NAMES("mail.example.org"), "evilmail.example.org"));
}

static void test_C7_common_name_counts_for_nothing(void **state)
{
    (void)state;
    assert_false(matches("mail.example.org", NAMES(NULL), "mail.example.org"));
    assert_false(matches("mail.example.org", NAMES("other.example"), "mail.example.org"));
    assert_false(matches("mail.example.org", NAMES("192.0.2.1"), "mail.example.org"));
    assert_false(matches("192.0.2.1", NAMES(NULL), "192.0.2.1"));
}

static void test_C7_wildcards(void **state)
{
    (void)state;
    assert_true(matches("x", NAMES("*.example.org"), "mail.example.org"));
    assert_false(matches("x", NAMES("*.example.org"), "a.mail.example.org"));
    assert_false(matches("x", NAMES("*.example.org"), "example.org"));
    assert_false(matches("x", NAMES("*.org"), "example.org"));
    assert_false(matches("x", NAMES("*"), "localhost"));
    assert_false(matches("x", NAMES("*"), "mail.example.org"));
    assert_false(matches("x", NAMES("*.*.org"), "mail.example.org"));
    assert_false(matches("x", NAMES("mail.*.org"), "mail.example.org"));
}

static void test_C7_nul_in_a_name(void **state)
{
    (void)state;
    assert_false(matches("x", NAMES("mail.example.org|.evil.example"), "mail.example.org"));
    assert_false(matches("x", NAMES("mail.example.org|"), "mail.example.org"));
    assert_false(matches("x", NAMES("*.example.org|.evil.example"), "mail.example.org"));
}

static void test_C7_internationalised_names(void **state)
{
    (void)state;
    assert_true(matches("x", NAMES("xn--mnchen-3ya.example"), "xn--mnchen-3ya.example"));
    assert_false(matches("x", NAMES("xn--*.example"), "xn--mnchen-3ya.example"));
    assert_false(matches("x", NAMES("munchen.example"), "xn--mnchen-3ya.example"));
}

static void test_C7_addresses(void **state)
{
    (void)state;
    assert_true(matches("x", NAMES("192.0.2.1"), "192.0.2.1"));
    assert_false(matches("x", NAMES("192.0.2.1"), "192.0.2.2"));
    assert_false(matches("x", NAMES("a.example"), "192.0.2.1"));
    assert_false(matches("x", NAMES("192.0.2.1"), "2001:db8::1"));
}

static void test_fingerprints(void **state)
{
    (void)state;
    unsigned char digest[32];
    char text[65];
    memset(text, 'a', 64);
    text[64] = '\0';
    text[1] = 'F';
    assert_true(tls_fingerprint_parse(text, digest));
    assert_int_equal(digest[0], 0xaf);
    assert_int_equal(digest[31], 0xaa);
    assert_false(tls_fingerprint_parse("", digest));
    assert_false(tls_fingerprint_parse(text + 1, digest));
    text[5] = 'g';
    assert_false(tls_fingerprint_parse(text, digest));
}

static void choose(const char *offered, enum auth_mode mode, bool private, const char *wanted)
{
    const char *found = sasl_choose(offered, mode, private);
    assert_string_equal(found ? found : "none", wanted);
}

static void test_C9_choice(void **state)
{
    (void)state;
    choose("LOGIN PLAIN", AUTH_AUTO, true, "PLAIN");
    choose("LOGIN PLAIN", AUTH_AUTO, false, "none");
    choose("LOGIN PLAIN CRAM-MD5", AUTH_AUTO, false, "CRAM-MD5");
    choose("login plain scram-sha-1", AUTH_AUTO, true, "SCRAM-SHA-1");
    choose("SCRAM-SHA-1 SCRAM-SHA-256", AUTH_AUTO, true, "SCRAM-SHA-256");
    choose("SCRAM-SHA-256-PLUS", AUTH_AUTO, true, "none");
    choose("GSSAPI NTLM", AUTH_AUTO, true, "none");
    choose("EXTERNAL XOAUTH2 OAUTHBEARER", AUTH_AUTO, true, "none");
    choose("PLAIN XOAUTH2", AUTH_XOAUTH2, true, "XOAUTH2");
    choose("PLAIN XOAUTH2", AUTH_XOAUTH2, false, "none");
    choose("PLAIN LOGIN", AUTH_LOGIN, true, "LOGIN");
    choose("PLAIN", AUTH_SCRAM_SHA_256, true, "none");
    choose("", AUTH_AUTO, true, "none");
}

static void test_plain(void **state)
{
    (void)state;
    struct buffer secret = {0}, message = {0};
    struct sasl *sasl;
    buffer_append_text(&secret, "pass");
    struct sasl_account account = {"user", &secret, "mx.example", 587};
    struct outcome outcome = sasl_start(&sasl, "PLAIN", &account);
    assert_int_equal(outcome.result, DONE);
    assert_true(sasl_begins(sasl));
    assert_true(sasl_step(sasl, NULL, &message));
    assert_string_equal(buffer_text(&message), "AHVzZXIAcGFzcw==");
    assert_true(sasl_is_complete(sasl));
    assert_false(sasl_step(sasl, "", &message));
    sasl_free(sasl);
    buffer_wipe(&message);
    buffer_wipe(&secret);
}

static void test_xoauth2(void **state)
{
    (void)state;
    struct buffer secret = {0}, message = {0};
    struct sasl *sasl;
    buffer_append_text(&secret, "token");
    struct sasl_account account = {"user", &secret, "mx.example", 587};
    struct outcome outcome = sasl_start(&sasl, "XOAUTH2", &account);
    assert_int_equal(outcome.result, DONE);
    assert_true(sasl_step(sasl, NULL, &message));
    assert_string_equal(buffer_text(&message), "dXNlcj11c2VyAWF1dGg9QmVhcmVyIHRva2VuAQE=");
    assert_true(sasl_is_complete(sasl));
    /* The reason of a refusal is answered with nothing, once. */
    buffer_clear(&message);
    assert_true(sasl_step(sasl, "e30=", &message));
    assert_string_equal(buffer_text(&message), "");
    assert_false(sasl_step(sasl, "e30=", &message));
    sasl_free(sasl);
    buffer_wipe(&message);
    buffer_wipe(&secret);
}

static void test_nothing_to_sign_in_with(void **state)
{
    (void)state;
    struct buffer secret = {0};
    struct sasl *sasl;
    struct sasl_account account = {"user", &secret, "mx.example", 587};
    struct outcome outcome = sasl_start(&sasl, "PLAIN", &account);
    assert_int_equal(outcome.result, LATER);
    assert_null(sasl);
    account = (struct sasl_account){"", NULL, "mx.example", 587};
    outcome = sasl_start(&sasl, "XOAUTH2", &account);
    assert_int_equal(outcome.result, LATER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C7_names),
        cmocka_unit_test(test_C7_common_name_counts_for_nothing),
        cmocka_unit_test(test_C7_wildcards),
        cmocka_unit_test(test_C7_nul_in_a_name),
        cmocka_unit_test(test_C7_internationalised_names),
        cmocka_unit_test(test_C7_addresses),
        cmocka_unit_test(test_fingerprints),
        cmocka_unit_test(test_C9_choice),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_xoauth2),
        cmocka_unit_test(test_nothing_to_sign_in_with),
    };
    return cmocka_run_group_tests(tests, make_key, free_key);
}

/* What the listener is given to show of itself: files that will do, and words for those that will
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "tls_files.h"

static int set_up(void **state)
{
    (void)state;
    files_begin();
    issue("mx", "mx.example.org", NULL, ec_key, false, -3600, 3600);
    issue("other", "mx.example.com", NULL, rsa_key, false, -3600, 3600);
    issue("late", "mx.example.org", NULL, ec_key, false, -7200, -3600);
    issue("early", "mx.example.org", NULL, ec_key, false, 3600, 7200);
    save("empty", 0640, "", 0);
    save("junk", 0640, "no PEM at all\n", 14);
    save("broken", 0640, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 59);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    files_end();
    return 0;
}

static void assert_good(const char *certificates, const char *keys, const char *client_ca)
{
    struct tls_identity *identity;
    struct outcome outcome = load(certificates, keys, client_ca, &identity);
    assert_string_equal(outcome.reason, "");
    assert_int_equal(outcome.result, DONE);
    assert_non_null(identity);
    tls_identity_free(identity);
}

/* Refused for this, with the name of that file among the words. */
static void assert_bad(const char *certificates, const char *keys, const char *client_ca,
                       const char *words, const char *named)
{
    struct tls_identity *identity;
    struct outcome outcome = load(certificates, keys, client_ca, &identity);
    assert_int_equal(outcome.result, NEVER);
    assert_int_equal(outcome.exit_status, EX_CONFIG);
    assert_null(identity);
    if (!strstr(outcome.reason, words) || (named && !strstr(outcome.reason, file(named))))
        fail_msg("\"%s\" says nothing of \"%s\"", outcome.reason, words);
}

static void test_good_files(void **state)
{
    (void)state;
    assert_good("mx.crt", "ec.key", "");
    assert_good("mx.crt, other.crt", "ec.key, rsa.key", "");
    assert_good("mx.crt", "ec.key", "authority.crt");
    tls_identity_free(NULL);
}

static void test_key_in_the_certificates_file(void **state)
{
    (void)state;
    issue("both", "mx.example.org", NULL, ec_key, false, -3600, 3600);
    save_key("both.crt", 0640, ec_key);
    assert_good("both.crt", "both.crt", "");
    assert_bad("mx.crt", "mx.crt", "", " holds no key: ", "mx.crt");
}

static void test_certificates_out_of_their_dates_will_do(void **state)
{
    (void)state;
    assert_good("late.crt", "ec.key", "");
    assert_good("early.crt", "ec.key", "");
}

static void test_wrong_pairs(void **state)
{
    (void)state;
    assert_bad("mx.crt", "rsa.key", "", " does not fit tls_certificate ", "rsa.key");
    assert_bad("mx.crt, other.crt", "rsa.key, ec.key", "", " does not fit ", "mx.crt");
    assert_bad("mx.crt", "", "", "names 1 files and tls_key 0", NULL);
    assert_bad("mx.crt, other.crt", "ec.key", "", "names 2 files and tls_key 1", NULL);
    assert_bad("", "ec.key", "", "tls_certificate is empty", NULL);
}

static void test_files_that_are_none(void **state)
{
    (void)state;
    assert_int_equal(mkdir(file("folder"), 0700), 0);
    assert_int_equal(mkfifo(file("fifo"), 0600), 0);
    assert_bad("nowhere", "ec.key", "", " cannot be read: No such file", "nowhere");
    assert_bad("mx.crt", "nowhere", "", "tls_key ", "nowhere");
    assert_bad("folder", "ec.key", "", " is no file with a certificate", "folder");
    assert_bad("mx.crt", "folder", "", " is no file with a key", "folder");
    assert_bad("mx.crt", "fifo", "", " is no file with a key", "fifo");
    assert_bad("empty", "ec.key", "", " holds no certificate", "empty");
    assert_bad("junk", "ec.key", "", " holds no certificate", "junk");
    assert_bad("broken", "ec.key", "", " holds no certificate", "broken");
    assert_bad("mx.crt", "mx.crt", "", " holds no key", "mx.crt");
    assert_bad("mx.crt", "ec.key", "nowhere", "tls_client_ca ", "nowhere");
    assert_bad("mx.crt", "ec.key", "junk", " holds no certificate", "junk");
    assert_bad("mx.crt", "ec.key", "ec.key", " holds no certificate", "ec.key");
}

static void test_keys_open_to_others(void **state)
{
    (void)state;
    static const int modes[] = {0644, 0660, 0642, 0641};
    save_key("open.key", 0600, ec_key);
    assert_good("mx.crt", "open.key", "");
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(file("open.key"), (mode_t)modes[i]), 0);
        assert_bad("mx.crt", "open.key", "", " is open to others: chmod 640 ", "open.key");
    }
    assert_int_equal(chmod(file("open.key"), 0440), 0);
    assert_good("mx.crt", "open.key", "");
}

/* As it is when the listener loads renewed files after it has given root up. */
static void test_files_that_only_root_can_read(void **state)
{
    (void)state;
    uid_t before = geteuid();
    save_key("closed.key", 0000, ec_key);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chmod(file("mx.crt"), 0644), 0);
    if (before == 0)
        assert_int_equal(seteuid(65534), 0);
    assert_bad("mx.crt", "closed.key", "", " cannot be read by user id ", "closed.key");
    assert_bad("mx.crt", "closed.key", "", "chmod 640", NULL);
    assert_int_equal(seteuid(before), 0);
}

static void test_locked_keys(void **state)
{
    (void)state;
    unsigned char pem[4096];
    size_t size = sizeof pem;
    assert_int_equal(gnutls_x509_privkey_export_pkcs8(ec_key, GNUTLS_X509_FMT_PEM, "secret",
                                                      GNUTLS_PKCS_PBES2_AES_256, pem, &size),
                     0);
    save("locked.key", 0600, (char *)pem, size);
    assert_bad("mx.crt", "locked.key", "", " is locked by a password", "locked.key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_files),
        cmocka_unit_test(test_key_in_the_certificates_file),
        cmocka_unit_test(test_certificates_out_of_their_dates_will_do),
        cmocka_unit_test(test_wrong_pairs),
        cmocka_unit_test(test_files_that_are_none),
        cmocka_unit_test(test_keys_open_to_others),
        cmocka_unit_test(test_files_that_only_root_can_read),
        cmocka_unit_test(test_locked_keys),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

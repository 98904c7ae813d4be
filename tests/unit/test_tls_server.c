/* Handshakes between clients of every kind and sessions forked from a process with an identity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls_files.h"
#include "tls_peer.h"
#include "net/tls_client.h"
#include "net/tls_trust.h"

static struct tls_identity *identity; /* four certificates */
static struct tls_identity *asking;   /* one, and a client_ca */

static int set_up(void **state)
{
    (void)state;
    alarm(120);
    files_begin();
    issue("first", "mx.example.org", NULL, ec_key, false, -3600, 3600);
    issue("second", "mx.example.com", NULL, ec_key, false, -3600, 3600);
    issue("second-rsa", "mx.example.com", NULL, rsa_key, false, -3600, 3600);
    issue("wild", "*.example.net", NULL, ec_key, false, -3600, 3600);
    issue("partner", NULL, GNUTLS_KP_TLS_WWW_CLIENT, ec_key, false, -3600, 3600);
    issue("anybody", NULL, NULL, rsa_key, false, -3600, 3600);
    issue("stranger", NULL, GNUTLS_KP_TLS_WWW_CLIENT, ec_key, true, -3600, 3600);
    issue("late", NULL, GNUTLS_KP_TLS_WWW_CLIENT, ec_key, false, -3600, -60);
    issue("server-only", NULL, GNUTLS_KP_TLS_WWW_SERVER, ec_key, false, -3600, 3600);
    struct outcome outcome = load("first.crt, second.crt, second-rsa.crt, wild.crt",
                                  "ec.key, ec.key, rsa.key, ec.key", "", &identity);
    if (outcome_good(&outcome))
        outcome = load("first.crt", "ec.key", "authority.crt", &asking);
    return outcome_good(&outcome) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tls_identity_free(identity);
    tls_identity_free(asking);
    files_end();
    return 0;
}

static void assert_says(const char *report, const char *words)
{
    if (!strstr(report, words))
        fail_msg("\"%s\" says nothing of \"%s\"", report, words);
}

/* The client with these priorities is taken, and that is what is said of it. */
static void assert_taken(const char *priorities, const char *words)
{
    struct meeting meeting;
    meet(identity, &(struct greeting){.priorities = priorities}, &meeting);
    gnutls_free(meeting.ticket.data);
    assert_true(meeting.good);
    assert_says(meeting.report, words);
}

static void assert_refused(const char *priorities)
{
    struct meeting meeting;
    meet(identity, &(struct greeting){.priorities = priorities}, &meeting);
    assert_false(meeting.good);
    assert_says(meeting.report, "4.7.5 TLS handshake with the client failed: ");
}

static void test_versions(void **state)
{
    (void)state;
    assert_taken("NORMAL", "accepted tls TLS_AES_256_GCM_SHA384 group X25519 (TLS1.3); TLS1.3, "
                           "cipher AES-256-GCM; a stranger: ; ended with error 0 after 0 bytes\n");
    assert_taken("NORMAL:-VERS-ALL:+VERS-TLS1.2",
                 "accepted tls TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 group X25519 (TLS1.2)");
    assert_refused("NORMAL:-VERS-ALL:+VERS-TLS1.1");
    assert_refused("NORMAL:-VERS-ALL:+VERS-TLS1.0");
}

static void test_algorithms(void **state)
{
    (void)state;
    static const char *const weak[] = {"-KX-ALL:+RSA", "-KX-ALL:+DHE-RSA",
                                       "-CIPHER-ALL:+AES-256-CBC:+AES-128-CBC",
                                       "-CIPHER-ALL:+3DES-CBC", "-CIPHER-ALL:+AES-256-CCM"};
    for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++) {
        char priorities[200];
        snprintf(priorities, sizeof priorities, "NORMAL:-VERS-ALL:+VERS-TLS1.2:%s", weak[i]);
        assert_refused(priorities);
    }
    assert_refused("NORMAL:-GROUP-ALL:+GROUP-FFDHE2048");
    assert_refused("NORMAL:-VERS-ALL:+VERS-TLS1.2:-SIGN-ALL:+SIGN-RSA-SHA1:+SIGN-ECDSA-SHA1");
    assert_taken("NORMAL:-GROUP-ALL:+GROUP-SECP256R1", "group SECP256R1");
    /* The order is the server's. */
    assert_taken("NORMAL:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM", "TLS_AES_256_GCM_SHA384");
    assert_taken("NORMAL:-CIPHER-ALL:+CHACHA20-POLY1305", "TLS_CHACHA20_POLY1305_SHA256");
}

static void assert_shown(const char *host, const char *priorities, const char *wanted)
{
    struct meeting meeting;
    meet(identity, &(struct greeting){.host = host, .priorities = priorities}, &meeting);
    gnutls_free(meeting.ticket.data);
    assert_true(meeting.good);
    assert_string_equal(meeting.shown, wanted);
}

static void test_certificate_by_name(void **state)
{
    (void)state;
    static const char rsa_alone[] = "NORMAL:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-SHA256";
    static const char *const versions[] = {"NORMAL", "NORMAL:-VERS-ALL:+VERS-TLS1.2"};
    for (size_t i = 0; i < 2; i++) {
        assert_shown("mx.example.org", versions[i], "first EC");
        assert_shown("mx.example.com", versions[i], "second EC");
        assert_shown("MX.Example.COM", versions[i], "second EC");
        assert_shown("mail.example.net", versions[i], "wild EC");
        assert_shown("a.mail.example.net", versions[i], "first EC");
        assert_shown("elsewhere.example", versions[i], "first EC");
        assert_shown(NULL, versions[i], "first EC");
    }
    assert_shown("mx.example.com", rsa_alone, "second-rsa RSA");
    assert_shown("mail.example.net", rsa_alone, "second-rsa RSA");
    /* A first hello that guessed the wrong group is asked for again. */
    assert_shown("mx.example.com", "NORMAL:-GROUP-ALL:+GROUP-FFDHE2048:+GROUP-SECP384R1",
                 "second EC");
}

/* Our client, who trusts the authority alone, with a session of this identity. */
static void assert_trusted(const struct tls_identity *server, const char *host, bool trusted)
{
    char report[1000], word[8];
    struct tls_wish wish = {.host = host, .verify = true, .trust = file("authority.crt")};
    struct tls *tls;
    struct served served = served_start(server, -1, 20000);
    assert_int_equal(fcntl(served.client, F_SETFL, O_NONBLOCK), 0);
    struct outcome outcome = tls_connect(&tls, served.client, &wish, clock_ms() + 20000);
    assert_int_equal(outcome.result, trusted ? DONE : LATER);
    while (tls && tls_read(tls, word, sizeof word) != 6) {
        assert_true(errno == EAGAIN);
        poll(NULL, 0, 10);
    }
    tls_free(tls);
    served_end(&served, report, sizeof report);
    assert_says(report, trusted ? "accepted tls " : "it sent the alert");
}

static void test_our_own_client(void **state)
{
    (void)state;
    assert_trusted(identity, "mail.example.net", true);
    assert_trusted(identity, "elsewhere.example", false);
}

/* What vouches for the certificate is shown with it. */
static void test_chains(void **state)
{
    (void)state;
    struct tls_identity *whole, *cut;
    gnutls_x509_crt_t middle = certificate_make("middle", -3600, 3600);
    gnutls_x509_crt_t leaf = certificate_make("leaf", -3600, 3600);
    gnutls_x509_crt_set_basic_constraints(middle, 1, 0);
    certificate_sign(middle, rsa_key, authority, authority_key);
    certificate_name(leaf, "mx.example.org");
    certificate_sign(leaf, ec_key, middle, rsa_key);
    save_certificate("cut.crt", leaf);
    save_certificate("whole.crt", leaf);
    save_certificate("whole.crt", middle);
    struct outcome outcome = load("whole.crt", "ec.key", "", &whole);
    assert_int_equal(outcome.result, DONE);
    outcome = load("cut.crt", "ec.key", "", &cut);
    assert_int_equal(outcome.result, DONE);
    assert_trusted(whole, "mx.example.org", true);
    assert_trusted(cut, "mx.example.org", false);
    tls_identity_free(whole);
    tls_identity_free(cut);
    gnutls_x509_crt_deinit(middle);
    gnutls_x509_crt_deinit(leaf);
}

static void test_other_protocols_by_name(void **state)
{
    (void)state;
    struct meeting meeting;
    meet(identity, &(struct greeting){.alpn = "http/1.1"}, &meeting);
    assert_false(meeting.good);
    meet(identity, &(struct greeting){.alpn = "smtp"}, &meeting);
    gnutls_free(meeting.ticket.data);
    assert_true(meeting.good);
}

static void test_tickets_over_sessions(void **state)
{
    (void)state;
    struct meeting first, second, elsewhere;
    struct greeting greeting = {.host = "mx.example.org"};
    meet(identity, &greeting, &first);
    assert_true(first.good);
    assert_false(first.resumed);
    greeting.ticket = &first.ticket;
    meet(identity, &greeting, &second);
    assert_true(second.good);
    assert_true(second.resumed);
    /* Another listener, or this one when it has loaded anew, does not know it. */
    meet(asking, &greeting, &elsewhere);
    assert_true(elsewhere.good);
    assert_false(elsewhere.resumed);
    gnutls_free(first.ticket.data);
    gnutls_free(second.ticket.data);
    gnutls_free(elsewhere.ticket.data);
}

static void test_old_sessions_are_not_resumed(void **state)
{
    (void)state;
    struct meeting first, second;
    struct greeting greeting = {.priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.2"};
    meet(identity, &greeting, &first);
    assert_true(first.good);
    greeting.ticket = &first.ticket;
    meet(identity, &greeting, &second);
    assert_true(second.good);
    assert_false(second.resumed);
    gnutls_free(first.ticket.data);
    gnutls_free(second.ticket.data);
}

static void test_sessions_have_randoms_of_their_own(void **state)
{
    (void)state;
    struct meeting meetings[3];
    for (size_t i = 0; i < 3; i++) {
        meet(identity, &(struct greeting){0}, &meetings[i]);
        gnutls_free(meetings[i].ticket.data);
        assert_true(meetings[i].good);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(meetings[i].random, meetings[j].random, 32);
    }
}

/* Who shows that certificate is taken, at first and when it comes again, and that is said of it. */
static void assert_stands(const struct tls_identity *server, const char *certificate,
                          const char *words)
{
    static const char *const versions[] = {"NORMAL", "NORMAL:-VERS-ALL:+VERS-TLS1.2"};
    for (size_t i = 0; i < 2; i++) {
        struct meeting first, second;
        struct greeting greeting = {.priorities = versions[i]};
        if (certificate) {
            greeting.certificate = file(certificate);
            greeting.key = file(strcmp(certificate, "anybody.crt") == 0 ? "rsa.key" : "ec.key");
        }
        meet(server, &greeting, &first);
        assert_true(first.good);
        assert_says(first.report, words);
        greeting.ticket = &first.ticket;
        meet(server, &greeting, &second);
        assert_true(second.good);
        assert_int_equal(second.resumed, i == 0);
        assert_says(second.report, words);
        gnutls_free(first.ticket.data);
        gnutls_free(second.ticket.data);
    }
}

static void test_client_certificates(void **state)
{
    (void)state;
    assert_stands(asking, "partner.crt", ", certificate verified; vouched for: CN=partner;");
    assert_stands(asking, "anybody.crt", ", certificate verified; vouched for: CN=anybody;");
    assert_stands(asking, "stranger.crt",
                  ", certificate not verified (self-signed); a stranger: CN=stranger;");
    assert_stands(asking, "late.crt", ", certificate not verified (expired on ");
    assert_stands(asking, "late.crt", "; a stranger: CN=late;");
    assert_stands(asking, "server-only.crt",
                  ", certificate not verified (wrong usage: it is not for this); a stranger: ");
    assert_stands(asking, NULL, "cipher AES-256-GCM; a stranger: ;");
    /* Nobody asked. */
    assert_stands(identity, "partner.crt", "cipher AES-256-GCM; a stranger: ;");
}

static void test_much_data(void **state)
{
    (void)state;
    static const char *const versions[] = {"NORMAL", "NORMAL:-VERS-ALL:+VERS-TLS1.2"};
    for (size_t i = 0; i < 2; i++) {
        struct meeting meeting;
        struct greeting greeting = {.priorities = versions[i], .lines = 2000};
        meet(identity, &greeting, &meeting);
        gnutls_free(meeting.ticket.data);
        assert_true(meeting.good);
        assert_says(meeting.report, "; ended with error 0 after 2000000 bytes");
    }
}

static void test_renegotiation(void **state)
{
    (void)state;
    struct meeting meeting;
    struct greeting greeting = {.priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.2", .again = true};
    meet(identity, &greeting, &meeting);
    gnutls_free(meeting.ticket.data);
    assert_false(meeting.good);
    char wanted[40];
    snprintf(wanted, sizeof wanted, "ended with error %d", EPROTO);
    assert_says(meeting.report, wanted);
}

/* Sends the words, waits for the session's end, which must not take so many milliseconds. */
static void assert_dropped(const char *bytes, size_t length, int limit_ms, int at_most,
                           const char *words)
{
    char report[1000], answer[64];
    struct served served = served_start(identity, -1, limit_ms);
    int64_t begun = clock_ms();
    assert_true(file_write(served.client, bytes, length));
    while (file_read(served.client, answer, sizeof answer) > 0)
        ;
    int64_t took = clock_ms() - begun;
    served_end(&served, report, sizeof report);
    assert_says(report, words);
    assert_true(took < at_most);
}

static void test_V5_junk_instead_of_a_hello(void **state)
{
    (void)state;
    static const char *const junk[] = {"GET / HTTP/1.1\r\nHost: mx.example.org\r\n\r\n",
                                       "EHLO client.example\r\n", "\r\n\r\n\r\n\r\n"};
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++)
        assert_dropped(junk[i], strlen(junk[i]), 20000, 10000, "4.7.5 TLS handshake with the");
    /* A record for handshakes that holds something else. */
    assert_dropped("\x16\x03\x01\x00\x05\x02\x00\x00\x01.", 10, 20000, 10000,
                   "4.7.5 TLS handshake with the");
}

static void test_V3_slow_hello(void **state)
{
    (void)state;
    assert_dropped("", 0, 300, 10000, "4.4.2 TLS handshake with the client took too long");
    assert_dropped("\x16\x03", 2, 300, 10000, "4.4.2 TLS handshake with the client took too long");
    /* One that comes in crumbs for longer than it may. */
    char report[1000];
    struct served served = served_start(identity, -1, 500);
    static const char crumbs[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for (size_t i = 0; i < 400; i++) {
        if (send(served.client, i < 11 ? &crumbs[i] : "a", 1, MSG_NOSIGNAL) < 0)
            break;
        poll(NULL, 0, 50);
        assert_true(i < 200);
    }
    served_end(&served, report, sizeof report);
    assert_says(report, "4.4.2 TLS handshake with the client took too long");
}

/* What says that it has 16 MB is not taken in until then: memory stays flat. */
static void test_V3_endless_hello(void **state)
{
    (void)state;
    char report[1000];
    char record[5 + 16000] = "\x16\x03\x01\x3e\x80\x01\xff\xff\xff\x03\x03";
    struct served served = served_start(identity, -1, 20000);
    size_t sent = 0;
    while (sent < 16000000 && send(served.client, record, sizeof record, MSG_NOSIGNAL) > 0)
        sent += sizeof record;
    served_end(&served, report, sizeof report);
    assert_says(report, "4.7.5 TLS handshake with the client failed: it sent too much");
    assert_true(sent < 1000000);
}

static void test_client_goes_away(void **state)
{
    (void)state;
    char report[1000];
    struct served served = served_start(identity, -1, 20000);
    served_end(&served, report, sizeof report);
    assert_says(report, "4.4.2 TLS handshake with the client failed");
}

static void test_end_of_the_listener_ends_a_handshake(void **state)
{
    (void)state;
    int watch[2];
    char report[1000];
    assert_int_equal(pipe2(watch, O_CLOEXEC), 0);
    /* The session must not hold the other end itself. */
    int64_t begun = clock_ms();
    struct served served = served_start(identity, watch[0], 20000);
    poll(NULL, 0, 100);
    assert_int_equal(write(watch[1], "", 1), 1);
    char answer;
    assert_int_equal(file_read(served.client, &answer, 1), 0);
    served_end(&served, report, sizeof report);
    assert_says(report, "4.3.2 TLS handshake with the client given up: we are closing");
    assert_true(clock_ms() - begun < 10000);
    file_close(&watch[0]);
    file_close(&watch[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_algorithms),
        cmocka_unit_test(test_certificate_by_name),
        cmocka_unit_test(test_our_own_client),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_other_protocols_by_name),
        cmocka_unit_test(test_tickets_over_sessions),
        cmocka_unit_test(test_old_sessions_are_not_resumed),
        cmocka_unit_test(test_sessions_have_randoms_of_their_own),
        cmocka_unit_test(test_client_certificates),
        cmocka_unit_test(test_much_data),
        cmocka_unit_test(test_renegotiation),
        cmocka_unit_test(test_V5_junk_instead_of_a_hello),
        cmocka_unit_test(test_V3_slow_hello),
        cmocka_unit_test(test_V3_endless_hello),
        cmocka_unit_test(test_client_goes_away),
        cmocka_unit_test(test_end_of_the_listener_ends_a_handshake),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

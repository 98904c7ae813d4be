/* Signing in at the server's side, with our own client at the other end, and with forged messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "net/sasl.h"
#include "net/sasl_server.h"

static const unsigned char secret[SASL_SECRET_SIZE] = "of this test";

/* A book with one user in it, which counts how often it is asked. */
static struct page {
    const char *name, *password;
    bool broken;
    unsigned asked;
    char asked_name[300], asked_password[300];
    struct sasl_verifier verifier;
} page;

static struct outcome check_password(void *context, const char *name, const char *password)
{
    struct page *open = context;
    open->asked++;
    snprintf(open->asked_name, sizeof open->asked_name, "%s", name);
    snprintf(open->asked_password, sizeof open->asked_password, "%s", password);
    if (open->broken)
        return outcome_later("4.7.0", "the book is torn");
    if (strcmp(name, open->name) != 0)
        return outcome_never("5.7.8", "no such user");
    return strcmp(password, open->password) == 0 ? outcome_done() : outcome_never("5.7.8", "wrong");
}

static struct outcome find_verifier(void *context, const char *name, struct sasl_verifier *verifier)
{
    struct page *open = context;
    open->asked++;
    snprintf(open->asked_name, sizeof open->asked_name, "%s", name);
    if (open->broken)
        return outcome_later("4.7.0", "the book is torn");
    if (strcmp(name, open->name) == 0) {
        *verifier = open->verifier;
        return outcome_done();
    }
    sasl_verifier_invent(secret, name, &open->verifier, verifier);
    return outcome_never("5.7.8", "no such user");
}

static const struct sasl_book book = {check_password, find_verifier, &page};

static void write_page(const char *name, const char *password)
{
    page = (struct page){.name = name, .password = password};
    assert_true(sasl_verifier_make(password, &page.verifier));
}

static struct sasl_server *start(const char *mechanism)
{
    struct sasl_server *server;
    struct outcome outcome = sasl_server_start(&server, sasl_server_find(mechanism), &book);
    assert_true(outcome_good(&outcome));
    return server;
}

/* One exchange with our client. initial: its first message goes along with AUTH. */
static enum sasl_answer sign_in(const char *mechanism, bool initial, const char *user,
                                const char *password)
{
    struct buffer word = {0}, message = {0}, challenge = {0};
    buffer_append_text(&word, password);
    const struct sasl_account account = {.user = user, .secret = &word, .host = "here.example"};
    struct sasl *client;
    struct outcome outcome = sasl_start(&client, mechanism, &account);
    assert_true(outcome_good(&outcome));
    struct sasl_server *server = start(mechanism);
    enum sasl_answer answer = SASL_CHALLENGE;
    bool begins = initial && sasl_begins(client);
    if (begins)
        assert_true(sasl_step(client, NULL, &message));
    answer = sasl_server_step(server, begins ? buffer_text(&message) : NULL, &challenge);
    while (answer == SASL_CHALLENGE) {
        buffer_clear(&message);
        if (!sasl_step(client, buffer_text(&challenge), &message))
            buffer_append_text(&message, "*");
        buffer_clear(&challenge);
        answer = sasl_server_step(server, buffer_text(&message), &challenge);
    }
    if (answer == SASL_ACCEPTED) {
        assert_true(sasl_is_complete(client));
        assert_true(outcome_good(sasl_server_reason(server)));
        assert_string_equal(sasl_server_user(server), page.name);
    } else {
        assert_false(outcome_good(sasl_server_reason(server)));
    }
    sasl_free(client);
    sasl_server_free(server);
    buffer_free(&word);
    buffer_free(&message);
    buffer_free(&challenge);
    return answer;
}

static const char *const names[] = {"SCRAM-SHA-256", "PLAIN", "LOGIN"};

static void test_all_mechanisms_with_our_client(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (int initial = 0; initial <= 1; initial++) {
            write_page("anna", "hunter2");
            assert_int_equal(sign_in(names[i], initial, "anna", "hunter2"), SASL_ACCEPTED);
            assert_int_equal(page.asked, 1);
            assert_int_equal(sign_in(names[i], initial, "anna", "hunter3"), SASL_REFUSED);
            assert_int_equal(sign_in(names[i], initial, "anna", "h"), SASL_REFUSED);
        }
}

/* The exchange of one who does not exist is as long as that of one who does. */
static void test_V6_unknown_users_are_asked_for_all_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        write_page("anna", "hunter2");
        assert_int_equal(sign_in(names[i], true, "berta", "hunter2"), SASL_REFUSED);
        assert_int_equal(page.asked, 1);
        assert_string_equal(page.asked_name, "berta");
    }
}

static void test_trouble_is_no_refusal(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        write_page("anna", "hunter2");
        page.broken = true;
        assert_int_equal(sign_in(names[i], true, "anna", "hunter2"), SASL_TROUBLE);
    }
}

static void test_names_and_passwords_in_one_form(void **state)
{
    (void)state;
    /* e with an acute accent: two code points and one; a ligature; a no-break space. */
    for (size_t i = 0; i < 3; i++) {
        write_page("ren\xC3\xA9,a=b", "fi sh");
        assert_int_equal(sign_in(names[i], true, "rene\xCC\x81,a=b", "\xEF\xAC\x81\xC2\xA0sh"),
                         SASL_ACCEPTED);
        assert_string_equal(page.asked_name, "ren\xC3\xA9,a=b");
    }
}

/* ---- messages that no client of ours would send ---- */

static char *encode(const char *data, size_t length)
{
    char *text;
    assert_int_equal(gsasl_base64_to(data, length, &text, NULL), GSASL_OK);
    return text;
}

static enum sasl_answer say(struct sasl_server *server, const char *data, size_t length)
{
    struct buffer challenge = {0};
    char *text = encode(data, length);
    enum sasl_answer answer = sasl_server_step(server, text, &challenge);
    gsasl_free(text);
    buffer_free(&challenge);
    return answer;
}

static enum sasl_answer say_once(const char *mechanism, const char *data, size_t length)
{
    struct sasl_server *server = start(mechanism);
    enum sasl_answer answer = say(server, data, length);
    assert_int_equal(outcome_good(sasl_server_reason(server)), answer == SASL_ACCEPTED);
    sasl_server_free(server);
    return answer;
}

#define PLAIN(text) say_once("PLAIN", text, sizeof text - 1)

static void test_nobody_acts_for_another(void **state)
{
    (void)state;
    write_page("anna", "hunter2");
    assert_int_equal(PLAIN("\0anna\0hunter2"), SASL_ACCEPTED);
    assert_int_equal(PLAIN("anna\0anna\0hunter2"), SASL_ACCEPTED);
    assert_int_equal(PLAIN("root\0anna\0hunter2"), SASL_REFUSED);
    assert_int_equal(PLAIN("ann\0anna\0hunter2"), SASL_REFUSED);
    assert_int_equal(page.asked, 4);
}

static void test_plain_messages_out_of_form(void **state)
{
    (void)state;
    write_page("anna", "hunter2");
    assert_int_equal(PLAIN("anna\0hunter2"), SASL_REFUSED);
    assert_int_equal(PLAIN("anna"), SASL_REFUSED);
    assert_int_equal(PLAIN("\0anna\0hunter2\0"), SASL_REFUSED);
    assert_int_equal(PLAIN("\0anna\0hunter2\0more"), SASL_REFUSED);
    assert_int_equal(PLAIN("\0\0hunter2"), SASL_REFUSED);
    assert_int_equal(PLAIN("\0anna\0"), SASL_REFUSED);
    assert_int_equal(PLAIN("\0anna\0hunter\xFF"), SASL_REFUSED);
    assert_int_equal(PLAIN("\0an\x01na\0hunter2"), SASL_REFUSED);
    /* A name cut at a NUL would be another's. */
    assert_int_equal(PLAIN("\0anna\0x\0hunter2"), SASL_REFUSED);
}

static void test_login_messages_out_of_form(void **state)
{
    (void)state;
    write_page("anna", "hunter2");
    struct buffer challenge = {0};
    struct sasl_server *server = start("login");
    assert_int_equal(sasl_server_step(server, NULL, &challenge), SASL_CHALLENGE);
    assert_string_equal(buffer_text(&challenge), "VXNlciBOYW1l");
    assert_int_equal(say(server, "anna\0x", 6), SASL_REFUSED);
    sasl_server_free(server);
    server = start("login");
    assert_int_equal(say(server, "anna", 4), SASL_CHALLENGE);
    assert_int_equal(say(server, "hunter2\0", 8), SASL_REFUSED);
    sasl_server_free(server);
    server = start("login");
    assert_int_equal(sasl_server_step(server, "=", &challenge), SASL_REFUSED);
    sasl_server_free(server);
    assert_int_equal(page.asked, 0);
    /* The name along with AUTH is an answer to the first question. */
    buffer_clear(&challenge);
    server = start("login");
    assert_int_equal(sasl_server_step(server, "YW5uYQ==", &challenge), SASL_CHALLENGE);
    assert_string_equal(buffer_text(&challenge), "UGFzc3dvcmQ=");
    assert_int_equal(say(server, "hunter2", 7), SASL_ACCEPTED);
    sasl_server_free(server);
    buffer_free(&challenge);
}

static void test_V6_cancelled_garbled_and_long(void **state)
{
    (void)state;
    write_page("anna", "hunter2");
    static const struct {
        const char *message;
        enum sasl_answer answer;
    } cases[] = {{"*", SASL_CANCELLED},     {"**", SASL_GARBLED},       {"AGFubmE", SASL_GARBLED},
                 {"AGFu bm", SASL_GARBLED}, {"=", SASL_GARBLED},        {"\xC3\xA4", SASL_GARBLED},
                 {"A===", SASL_GARBLED},    {"AGFubmE==", SASL_GARBLED}};
    struct buffer challenge = {0};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
            struct sasl_server *server = start(names[i]);
            assert_int_equal(sasl_server_step(server, NULL, &challenge), SASL_CHALLENGE);
            buffer_clear(&challenge);
            assert_int_equal(sasl_server_step(server, cases[k].message, &challenge),
                             cases[k].answer);
            assert_int_equal(challenge.length, 0);
            sasl_server_free(server);
        }
    assert_int_equal(page.asked, 0);
    char *longest = memory_get(12288 + 2);
    memset(longest, 'A', 12288);
    struct sasl_server *server = start("PLAIN");
    assert_int_equal(sasl_server_step(server, longest, &challenge), SASL_REFUSED);
    sasl_server_free(server);
    longest[12288] = 'A';
    server = start("PLAIN");
    assert_int_equal(sasl_server_step(server, longest, &challenge), SASL_TOO_LONG);
    sasl_server_free(server);
    free(longest);
    buffer_free(&challenge);
}

/* "=" is an empty message where a first one can be, and only there. */
static void test_V6_empty_initial_response(void **state)
{
    (void)state;
    write_page("anna", "hunter2");
    struct buffer challenge = {0};
    struct sasl_server *server = start("PLAIN");
    enum sasl_answer answer = sasl_server_step(server, "=", &challenge);
    assert_int_equal(answer, SASL_REFUSED);
    sasl_server_free(server);
    server = start("SCRAM-SHA-256");
    answer = sasl_server_step(server, "=", &challenge);
    assert_int_equal(answer, SASL_REFUSED);
    sasl_server_free(server);
    buffer_free(&challenge);
    assert_int_equal(page.asked, 0);
}

/* ---- SCRAM, its messages altered on the way ---- */

/* Lets our client run up to its second message, which is given back, decoded. */
static struct sasl_server *run_scram(char **final, size_t *length, const char *user)
{
    struct buffer word = {0}, message = {0}, challenge = {0};
    buffer_append_text(&word, "hunter2");
    const struct sasl_account account = {.user = user, .secret = &word, .host = "here.example"};
    struct sasl *client;
    struct outcome outcome = sasl_start(&client, "SCRAM-SHA-256", &account);
    assert_true(outcome_good(&outcome));
    struct sasl_server *server = start("SCRAM-SHA-256");
    assert_true(sasl_step(client, NULL, &message));
    assert_int_equal(sasl_server_step(server, buffer_text(&message), &challenge), SASL_CHALLENGE);
    buffer_clear(&message);
    assert_true(sasl_step(client, buffer_text(&challenge), &message));
    assert_int_equal(gsasl_base64_from(buffer_text(&message), message.length, final, length),
                     GSASL_OK);
    sasl_free(client);
    buffer_free(&word);
    buffer_free(&message);
    buffer_free(&challenge);
    return server;
}

static void test_scram_altered_in_any_byte(void **state)
{
    (void)state;
    write_page("anna", "hunter2");
    char *final;
    size_t length;
    sasl_server_free(run_scram(&final, &length, "anna"));
    gsasl_free(final);
    for (size_t i = 0; i < length; i++) {
        struct sasl_server *server = run_scram(&final, &length, "anna");
        /* The last bits of a last digit mean nothing; 'g' has others than 'A'. */
        final[i] = final[i] == 'A' ? 'g' : 'A';
        enum sasl_answer answer = say(server, final, length);
        if (answer != SASL_REFUSED)
            print_error("byte %zu\n", i);
        assert_int_equal(answer, SASL_REFUSED);
        gsasl_free(final);
        sasl_server_free(server);
    }
}

static void test_scram_proof_is_answered_and_taken_note_of(void **state)
{
    (void)state;
    write_page("anna", "hunter2");
    char *final;
    size_t length;
    for (int round = 0; round < 3; round++) {
        static const char *const last[] = {"", "AAAA", "*"};
        static const enum sasl_answer answers[] = {SASL_ACCEPTED, SASL_REFUSED, SASL_CANCELLED};
        struct buffer challenge = {0};
        struct sasl_server *server = run_scram(&final, &length, "anna");
        char *text = encode(final, length);
        assert_int_equal(sasl_server_step(server, text, &challenge), SASL_CHALLENGE);
        assert_true(challenge.length > 0);
        assert_int_equal(sasl_server_step(server, last[round], &challenge), answers[round]);
        gsasl_free(text);
        gsasl_free(final);
        buffer_free(&challenge);
        sasl_server_free(server);
    }
}

static void test_scram_replayed_and_out_of_form(void **state)
{
    (void)state;
    write_page("anna", "hunter2");
    char *final;
    size_t length;
    sasl_server_free(run_scram(&final, &length, "anna"));
    struct sasl_server *server = start("SCRAM-SHA-256");
    static const char first[] = "n,,n=anna,r=abcdefgh";
    assert_int_equal(say(server, first, sizeof first - 1), SASL_CHALLENGE);
    assert_int_equal(say(server, final, length), SASL_REFUSED);
    gsasl_free(final);
    sasl_server_free(server);
    /* A channel binding that nobody offered, no name, no nonce, rubbish. */
    static const char *const firsts[] = {"p=tls-unique,,n=anna,r=abcdefgh", "n,,r=abcdefgh",
                                         "n,,n=anna", "", "x"};
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        server = start("SCRAM-SHA-256");
        enum sasl_answer answer = say(server, firsts[i], strlen(firsts[i]));
        if (answer != SASL_REFUSED)
            print_error("%s\n", firsts[i]);
        assert_int_equal(answer, SASL_REFUSED);
        sasl_server_free(server);
    }
}

/* The client's own library at the other end, for what our client cannot be made to say. */
static void test_scram_nobody_acts_for_another(void **state)
{
    (void)state;
    static const char *const others[] = {"anna", "root"};
    for (size_t i = 0; i < 2; i++) {
        write_page("anna", "hunter2");
        Gsasl *library;
        Gsasl_session *client;
        assert_int_equal(gsasl_init(&library), GSASL_OK);
        assert_int_equal(gsasl_client_start(library, "SCRAM-SHA-256", &client), GSASL_OK);
        gsasl_property_set(client, GSASL_AUTHID, "anna");
        gsasl_property_set(client, GSASL_AUTHZID, others[i]);
        gsasl_property_set(client, GSASL_PASSWORD, "hunter2");
        struct sasl_server *server = start("SCRAM-SHA-256");
        struct buffer challenge = {0};
        char *message;
        assert_int_equal(gsasl_step64(client, "", &message), GSASL_NEEDS_MORE);
        assert_int_equal(sasl_server_step(server, message, &challenge), SASL_CHALLENGE);
        gsasl_free(message);
        assert_int_equal(gsasl_step64(client, buffer_text(&challenge), &message), GSASL_NEEDS_MORE);
        buffer_clear(&challenge);
        assert_int_equal(sasl_server_step(server, message, &challenge),
                         i == 0 ? SASL_CHALLENGE : SASL_REFUSED);
        gsasl_free(message);
        buffer_free(&challenge);
        sasl_server_free(server);
        gsasl_finish(client);
        gsasl_done(library);
    }
}

/* ---- verifiers ---- */

/* The example of RFC 7677 section 3: StoredKey and ServerKey follow from its password and salt. */
static void test_verifier_text(void **state)
{
    (void)state;
    static const char text[] = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
                               "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
                               "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    struct sasl_verifier verifier;
    assert_true(sasl_verifier_parse(text, &verifier));
    assert_int_equal(verifier.iterations, 4096);
    struct buffer again = {0};
    sasl_verifier_format(&verifier, &again);
    assert_string_equal(buffer_text(&again), text);
    buffer_free(&again);
    write_page("user", "pencil");
    page.verifier = verifier;
    assert_int_equal(sign_in("SCRAM-SHA-256", true, "user", "pencil"), SASL_ACCEPTED);
    static const char *const bad[] = {
        "",
        "SCRAM-SHA-256$",
        "SCRAM-SHA-1$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$4095:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$4096:W22ZaJ0=$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=:",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=AAAAAAAA"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(sasl_verifier_parse(bad[i], &verifier));
}

static void test_verifiers_have_new_salts(void **state)
{
    (void)state;
    struct sasl_verifier one, other;
    assert_true(sasl_verifier_make("hunter2", &one));
    assert_true(sasl_verifier_make("hunter2", &other));
    assert_string_not_equal(one.salt, other.salt);
    assert_string_not_equal(one.stored_key, other.stored_key);
}

static void test_V6_inventions_are_stable_and_alike(void **state)
{
    (void)state;
    struct sasl_verifier real, one, again, other, elsewhere;
    static const unsigned char another[SASL_SECRET_SIZE] = "of another start";
    assert_true(sasl_verifier_make("hunter2", &real));
    real.iterations = 5000;
    sasl_verifier_invent(secret, "berta", &real, &one);
    sasl_verifier_invent(secret, "berta", &real, &again);
    sasl_verifier_invent(secret, "carla", &real, &other);
    sasl_verifier_invent(another, "berta", &real, &elsewhere);
    assert_int_equal(one.iterations, 5000);
    assert_int_equal(strlen(one.salt), strlen(real.salt));
    assert_string_equal(one.salt, again.salt);
    assert_string_equal(one.stored_key, again.stored_key);
    assert_string_not_equal(one.salt, other.salt);
    assert_string_not_equal(one.salt, elsewhere.salt);
    struct buffer text = {0};
    sasl_verifier_format(&one, &text);
    assert_true(sasl_verifier_parse(buffer_text(&text), &other));
    buffer_clear(&text);
    sasl_verifier_invent(secret, "berta", NULL, &one);
    sasl_verifier_format(&one, &text);
    assert_true(sasl_verifier_parse(buffer_text(&text), &other));
    buffer_free(&text);
}

static void test_mechanism_names(void **state)
{
    (void)state;
    assert_string_equal(sasl_server_find("scram-sha-256"), "SCRAM-SHA-256");
    assert_string_equal(sasl_server_find("Plain"), "PLAIN");
    static const char *const others[] = {
        "", "PLAI", "PLAINN", "CRAM-MD5", "SCRAM-SHA-256-PLUS", "ANONYMOUS", "EXTERNAL"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_null(sasl_server_find(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_mechanisms_with_our_client),
        cmocka_unit_test(test_V6_unknown_users_are_asked_for_all_the_same),
        cmocka_unit_test(test_trouble_is_no_refusal),
        cmocka_unit_test(test_names_and_passwords_in_one_form),
        cmocka_unit_test(test_nobody_acts_for_another),
        cmocka_unit_test(test_plain_messages_out_of_form),
        cmocka_unit_test(test_login_messages_out_of_form),
        cmocka_unit_test(test_V6_cancelled_garbled_and_long),
        cmocka_unit_test(test_V6_empty_initial_response),
        cmocka_unit_test(test_scram_altered_in_any_byte),
        cmocka_unit_test(test_scram_proof_is_answered_and_taken_note_of),
        cmocka_unit_test(test_scram_replayed_and_out_of_form),
        cmocka_unit_test(test_scram_nobody_acts_for_another),
        cmocka_unit_test(test_verifier_text),
        cmocka_unit_test(test_verifiers_have_new_salts),
        cmocka_unit_test(test_V6_inventions_are_stable_and_alike),
        cmocka_unit_test(test_mechanism_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

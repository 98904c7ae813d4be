/*
 * What is taken over from another program, put together: values that our reader takes and no
 * others, an account's TLS, notes that say each thing once and never a secret.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "setup/import_account.h"
#include "setup/import_command.h"
#include "setup/import_exim.h"
#include "setup/import_note.h"
#include "setup/import_postfix.h"

static const char *words_of(const struct import *import, size_t note)
{
    return buffer_text(&import->notes[note].words);
}

/* ---- values ---- */

static void test_values_that_our_reader_takes(void **state)
{
    (void)state;
    static const struct {
        const char *section, *name, *key, *value;
        bool good;
    } cases[] = {
        {"smarthost", "", "host", "smtp.example.net", true},
        {"smarthost", "", "host", "a.example:25, [2001:db8::1]:26", true},
        {"smarthost", "", "host", "a.example, b..example", false},
        {"smarthost", "", "host", "a.example ; x", false},
        {"smarthost", "", "host", "", true},
        {"smarthost", "", "port", "0", false},
        {"smarthost", "", "port", "25 ", false},
        {"smarthost", "", "user", "a\nport = 1", false},
        {"smarthost", "", "user", "a\x01", false},
        {"smarthost", "", "user", "\xff", false},
        {"smarthost", "", "user", ";x", false},
        {"smarthost", "", "user", "x;y#z=\"'[]", true},
        {"smarthost", "a\"b", "port", "25", false},
        {"smarthost", "a b", "port", "25", true},
        {"smarthost", "", "senders", "@example.org", true},
        {"smarthost", "", "password_command", "gpg x", false},
        {"route", "", "via", "mx", false},
        {"route", "no domain", "via", "mx", false},
        {"route", "*.example.org", "via", "mx", true},
        {"mail", "", "masquerade", "*: ops@example.org", true},
        {"mail", "", "masquerade", "*: ops", false},
        {"mail", "", "no_such_key", "x", false},
        {"none", "", "host", "x", false},
        {"listen", "smtp", "relay_networks", "10.0.0.0/8", true},
        {"listen", "smtp", "relay_networks", "0.0.0.0/0", false},
        {"listen", "smtp", "relay_domains", "*", false},
        {"listen", "smtp", "relay_domains", "*.com", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *why = NULL;
        bool good = take_would(cases[i].section, cases[i].name, cases[i].key, cases[i].value, &why);
        if (good != cases[i].good)
            print_error("[%s \"%s\"] %s = %s\n", cases[i].section, cases[i].name, cases[i].key,
                        cases[i].value);
        assert_int_equal(good, cases[i].good);
        assert_int_equal(why != NULL, !good);
        free(why);
    }
}

static void test_lists_grow_and_others_are_replaced(void **state)
{
    (void)state;
    struct import import = {0};
    size_t note = note_add(&import, "/etc/x", 1, 1, "line");
    assert_true(take_setting(&import, note, "mail", "", "local_domains", "a.example"));
    assert_true(take_setting(&import, note, "queue", "", "lifetime", "1d"));
    assert_true(take_setting(&import, note, "mail", "", "local_domains", "b.example, a.example"));
    assert_true(take_setting(&import, note, "queue", "", "lifetime", "2d"));
    assert_false(take_setting(&import, note, "queue", "", "lifetime", "forever"));
    assert_string_equal(taken_value(&import, "mail", "", "local_domains"), "a.example, b.example");
    assert_string_equal(taken_value(&import, "queue", "", "lifetime"), "2d");
    assert_int_equal(import.settings.count, 2);
    assert_int_equal(import.notes[note].mark, IMPORT_LEFT);
    assert_non_null(strstr(words_of(&import, note), "lifetime = forever: a time"));
    import_free(&import);
}

static void test_names_of_sections_are_apart(void **state)
{
    (void)state;
    struct import import = {0};
    static const struct {
        const char *wanted, *name;
    } cases[] = {{"work", "work"},
                 {"Work", "Work-2"},
                 {"smarthost", "smarthost-2"},
                 {"a\"b]\n c", "a-b---c"},
                 {"", "account"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *name = take_name(&import, cases[i].wanted);
        assert_string_equal(name, cases[i].name);
        assert_true(take_setting(&import, NOTE_NONE, "smarthost", name, "host", "h.example"));
        free(name);
    }
    import_free(&import);
}

static void test_aliases(void **state)
{
    (void)state;
    struct import import = {0};
    size_t note = note_add(&import, "/etc/x", 1, 1, "line");
    assert_true(take_alias(&import, note, "Root", "ada, ops@example.org"));
    assert_true(take_alias(&import, note, "root", "ada, ops@example.org"));
    assert_false(take_alias(&import, note, "root", "bob"));
    assert_true(take_alias(&import, note,
                           "@b\xc3\xbc"
                           "cher.example",
                           "ada"));
    assert_false(take_alias(&import, note, "two", "a\nthree: b"));
    assert_false(take_alias(&import, note, "two words", "ada"));
    assert_false(take_alias(&import, note, "bad", "a@@b"));
    assert_false(take_alias(&import, note, "bad", ""));
    assert_false(take_alias(&import, note, "# comment", "ada"));
    assert_int_equal(import.aliases.count, 2);
    assert_string_equal(import.aliases.items[0], "root: ada, ops@example.org");
    assert_string_equal(import.aliases.items[1], "@xn--bcher-kva.example: ada");
    import_free(&import);
}

/* ---- notes ---- */

static void test_notes_say_each_thing_once(void **state)
{
    (void)state;
    struct import import = {0};
    size_t note = note_add(&import, "/etc/x", 3, 5, "a\tline\x1b[1m of \xff text");
    take_setting(&import, note, "smarthost", "", "port", "5");
    take_setting(&import, note, "smarthost", "", "port", "587");
    take_setting(&import, note, "smarthost", "", "port", "587");
    note_say(&import, note, IMPORT_OTHER, "a sentence");
    note_say(&import, note, IMPORT_SAME, "a sentence");
    struct buffer line = {0};
    import_format_note(&import.notes[note], &line);
    assert_string_equal(buffer_text(&line),
                        "/etc/x:3-5: `a?line?[1m of ? text`: taken over as [smarthost] port = 5, "
                        "[smarthost] port = 587; a sentence");
    assert_int_equal(import.notes[note].mark, IMPORT_OTHER);
    buffer_free(&line);
    import_free(&import);
}

static void test_secrets_are_taken_out_of_notes(void **state)
{
    (void)state;
    struct import import = {0};
    size_t note = note_add(&import, "/etc/x", 1, 1, "user me password geheim, geheimer");
    note_say(&import, note, IMPORT_LEFT, "what is geheimes?");
    assert_true(take_password(&import, note, "", "geheim"));
    assert_true(take_password(&import, note, "other", "geheimer"));
    assert_true(take_password(&import, NOTE_NONE, "short", "a"));
    note_hide_secrets(&import);
    assert_string_equal(import.notes[note].text, "user me password ****, ****");
    assert_null(strstr(words_of(&import, note), "geheim"));
    assert_non_null(strstr(words_of(&import, note), "what"));
    import_free(&import);
}

/* ---- accounts ---- */

static void test_TLS_of_accounts(void **state)
{
    (void)state;
    static const struct {
        enum foreign_tls tls;
        bool verified, user;
        const char *host, *ours;
        enum import_mark mark; /* of the line that says so */
    } cases[] = {
        {FOREIGN_CLEAR, true, false, "h.example", "starttls", IMPORT_OTHER},
        {FOREIGN_CLEAR, true, true, "h.example", "starttls", IMPORT_OTHER},
        {FOREIGN_CLEAR, true, true, "localhost, 127.0.0.1:2525", "off", IMPORT_TAKEN},
        {FOREIGN_CLEAR, true, true, "localhost, h.example", "starttls", IMPORT_OTHER},
        {FOREIGN_MAY, true, false, "h.example", "opportunistic", IMPORT_TAKEN},
        {FOREIGN_MAY, true, true, "h.example", "starttls", IMPORT_OTHER},
        {FOREIGN_MAY, true, true, "localhost", "starttls", IMPORT_OTHER},
        {FOREIGN_STARTTLS, true, true, "h.example", "starttls", IMPORT_TAKEN},
        {FOREIGN_STARTTLS, false, true, "h.example", "starttls", IMPORT_OTHER},
        {FOREIGN_IMPLICIT, true, true, "h.example", "implicit", IMPORT_TAKEN},
        {FOREIGN_IMPLICIT, false, false, "h.example", "implicit", IMPORT_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct import import = {0};
        struct foreign account;
        size_t note = note_add(&import, "/etc/x", 1, 1, "tls");
        foreign_begin(&account, "program", "/etc/x", "");
        said_set(&account.hosts, cases[i].host, NOTE_NONE);
        account.tls = cases[i].tls;
        account.verified = cases[i].verified;
        foreign_said_tls(&account, note);
        if (cases[i].user)
            said_set(&account.user, "u", NOTE_NONE);
        assert_true(foreign_take(&import, &account));
        assert_string_equal(taken_value(&import, "smarthost", "", "tls"), cases[i].ours);
        assert_int_equal(import.notes[note].mark, cases[i].mark);
        foreign_free(&account);
        import_free(&import);
    }
}

/* What our settings would refuse as a whole is not put together. */
static void test_accounts_that_do_not_fit(void **state)
{
    (void)state;
    struct import import = {0};
    struct foreign account;
    foreign_begin(&account, "program", "/etc/x", "one");
    said_set(&account.hosts, "h.example", NOTE_NONE);
    said_set(&account.senders, "a@example.org, @b.example", NOTE_NONE);
    account.tls = FOREIGN_STARTTLS;
    said_set(&account.auth, "external", NOTE_NONE);
    said_set(&account.certificate, "/c.pem", NOTE_NONE);
    said_set(&account.password, "geheim", NOTE_NONE);
    said_set(&account.fingerprint, "no digits", NOTE_NONE);
    assert_true(foreign_take(&import, &account));
    foreign_free(&account);
    assert_null(taken_value(&import, "smarthost", "one", "auth"));
    assert_null(taken_value(&import, "smarthost", "one", "tls_certificate"));
    assert_null(taken_value(&import, "smarthost", "one", "tls_fingerprint"));
    assert_int_equal(import.credentials.count, 0);
    /* a sender belongs to one of them */
    foreign_begin(&account, "program", "/etc/x", "two");
    said_set(&account.hosts, "i.example", NOTE_NONE);
    said_set(&account.senders, "@B.example, c@example.org", NOTE_NONE);
    assert_true(foreign_take(&import, &account));
    assert_string_equal(taken_value(&import, "smarthost", "two", "senders"), "c@example.org");
    foreign_free(&account);
    foreign_begin(&account, "program", "/etc/x", "three");
    said_set(&account.hosts, "bad..host", NOTE_NONE);
    assert_false(foreign_take(&import, &account));
    assert_null(taken_value(&import, "smarthost", "three", "tls"));
    foreign_free(&account);
    import_free(&import);
}

/* ---- forms ---- */

static void test_next_hops_of_Postfix(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host; /* NULL: it is none */
        unsigned port;
        bool mx;
    } cases[] = {
        {"[smtp.example.net]:587", "smtp.example.net", 587, false},
        {"[smtp.example.net]", "smtp.example.net", 25, false},
        {"smtp.example.net:submission", "smtp.example.net", 587, true},
        {"example.net", "example.net", 25, true},
        {"[2001:db8::1]:26", "[2001:db8::1]", 26, false},
        {"[ipv6:2001:db8::1]", "[2001:db8::1]", 25, false},
        {"[smtp.example.net", NULL, 0, false},
        {"[smtp.example.net]x", NULL, 0, false},
        {"smtp.example.net:0", NULL, 0, false},
        {"smtp.example.net:", NULL, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hop hop;
        assert_int_equal(hop_parse(cases[i].text, &hop), cases[i].host != NULL);
        if (cases[i].host) {
            assert_string_equal(hop.host, cases[i].host);
            assert_int_equal(hop.port, cases[i].port);
            assert_int_equal(hop.mx, cases[i].mx);
        }
        free(hop.host);
    }
}

static void test_lists_of_Exim(void **state)
{
    (void)state;
    static const struct {
        const char *text, *items; /* with '|' between */
    } cases[] = {
        {"a : b:c", "a|b|c"},
        {"smtp.example.net::587 : [2001::db8::::1]::25", "smtp.example.net:587|[2001:db8::1]:25"},
        {"<; ::1 ; 127.0.0.1", "::1|127.0.0.1"},
        {"<+a+b", "a|b"},
        {" : ", ""},
        {"", ""},
        {"<", "<"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct texts items = {0};
        struct buffer all = {0};
        exim_split(cases[i].text, &items);
        for (size_t k = 0; k < items.count; k++)
            buffer_format(&all, "%s%s", k ? "|" : "", items.items[k]);
        assert_string_equal(buffer_text(&all), cases[i].items);
        buffer_free(&all);
        texts_free(&items);
    }
}

/* A command is never run, and no shell's meaning is lost in silence. */
static void test_commands_for_passwords(void **state)
{
    (void)state;
    static const struct {
        const char *text, *command; /* NULL: it cannot be carried */
    } cases[] = {
        {"/usr/bin/pass show mail", "/usr/bin/pass show mail"},
        {"/usr/bin/pass 'a b' \"c d\" e\"f g\"", "/usr/bin/pass \"a b\" \"c d\" \"ef g\""},
        {"/bin/x 'it\"s \\ so'", "/bin/x \"it\\\"s \\\\ so\""},
        {"/bin/x ''", "/bin/x \"\""},
        {"/bin/x ~/y", "/bin/x /home/ada/y"},
        {"/bin/x a~b", NULL},
        {"/bin/x $HOME", NULL},
        {"/bin/x \"$HOME\"", NULL},
        {"/bin/x `y`", NULL},
        {"/bin/x | y", NULL},
        {"/bin/x > y", NULL},
        {"/bin/x a\\ b", NULL},
        {"/bin/x *", NULL},
        {"/bin/x 'open", NULL},
        {"/bin/x '", NULL},
        {"", NULL},
        {"relative/x", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct import import = {0};
        struct importing importing = {
            .import = &import, .root = "/nonexistent", .home = "/home/ada"};
        struct said password = {.note = NOTE_NONE}, command = {.note = NOTE_NONE};
        size_t note = note_add(&import, "/etc/x", 1, 1, "passwordeval ****");
        command_take_password(&importing, note, cases[i].text, &password, &command);
        assert_null(password.value);
        if (cases[i].command)
            assert_string_equal(command.value, cases[i].command);
        else
            assert_null(command.value);
        assert_int_equal(import.notes[note].mark, cases[i].command ? IMPORT_OTHER : IMPORT_LEFT);
        said_free(&command);
        import_free(&import);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_that_our_reader_takes),
        cmocka_unit_test(test_lists_grow_and_others_are_replaced),
        cmocka_unit_test(test_names_of_sections_are_apart),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_notes_say_each_thing_once),
        cmocka_unit_test(test_secrets_are_taken_out_of_notes),
        cmocka_unit_test(test_TLS_of_accounts),
        cmocka_unit_test(test_accounts_that_do_not_fit),
        cmocka_unit_test(test_next_hops_of_Postfix),
        cmocka_unit_test(test_lists_of_Exim),
        cmocka_unit_test(test_commands_for_passwords),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What clients' command lines say: paths, parameters, names, chunk sizes, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "listen/command.h"
#include "listen/path.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define TEN          "0123456789"
#define FIFTY        TEN TEN TEN TEN TEN
#define HUNDRED      FIFTY FIFTY
#define FIFTY_A      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* --- Lines and words --- */

static void test_V1_ends_of_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        size_t length, left; /* left: SIZE_MAX when it is refused */
    } table[] = {
        {"NOOP\r\n", 6, 4},          {"\r\n", 2, 0},
        {"NOOP\n", 5, SIZE_MAX},     {"NOOP\r", 5, SIZE_MAX},
        {"NOOP", 4, SIZE_MAX},       {"\n", 1, SIZE_MAX},
        {"\r", 1, SIZE_MAX},         {"", 0, SIZE_MAX},
        {"NO\rOP\r\n", 7, SIZE_MAX}, {"NO\nOP\r\n", 7, SIZE_MAX},
        {"NOOP\r\r\n", 7, SIZE_MAX}, {"NOOP\n\r\n", 7, SIZE_MAX},
        {"NOOP\n\r", 6, SIZE_MAX},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char *line = memory_copy(table[i].line, table[i].length);
        size_t length = table[i].length;
        const char *why = NULL;
        bool good = command_take_line(line, &length, &why);
        if (good != (table[i].left != SIZE_MAX))
            fail_msg("line %zu: %s", i, good ? "taken" : why);
        if (good) {
            assert_int_equal(length, table[i].left);
            assert_int_equal(strlen(line), length);
        } else {
            assert_non_null(why);
            assert_memory_equal(line, table[i].line, table[i].length);
        }
        free(line);
    }
}

static void test_V4_control_characters_in_lines(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char line[] = {'N', 'O', (char)byte, 'P', '\r', '\n', '\0'};
        size_t length = 6;
        const char *why;
        bool good = command_take_line(line, &length, &why);
        assert_int_equal(good, byte >= 32 && byte != 127);
    }
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *line, *verb, *argument;
    } table[] = {
        {"", "", ""},
        {"NOOP", "NOOP", ""},
        {"noop   ", "noop", ""},
        {"NOOP  some  words ", "NOOP", "some  words"},
        {"MAIL FROM:<a@b>", "MAIL", "FROM:<a@b>"},
        {"MAIL FROM: <a@b> SIZE=1  ", "MAIL", "FROM: <a@b> SIZE=1"},
        {" NOOP", "", "NOOP"},
        {"   ", "", ""},
        {"MAIL\tFROM:<a@b>", "MAIL\tFROM:<a@b>", ""},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char *line = memory_copy(table[i].line, strlen(table[i].line)), *verb, *argument;
        command_part(line, &verb, &argument);
        assert_string_equal(verb, table[i].verb);
        assert_string_equal(argument, table[i].argument);
        free(line);
    }
}

static void test_names_of_clients(void **state)
{
    (void)state;
    static const struct {
        const char *argument, *name; /* NULL: refused */
    } table[] = {
        {"client.example.org", "client.example.org"},
        {"Client.Example.ORG.", "Client.Example.ORG."},
        {"my_pc", "my_pc"},
        {"-", "-"},
        {"192.0.2.1", "192.0.2.1"},
        {"[192.0.2.1]", "[192.0.2.1]"},
        {"[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"},
        {"2001:db8::1", "2001:db8::1"},
        {"m\xC3\xBCller", "m??ller"},
        {"a(b)c", "a?b?c"},
        {"a<b>\"c\\,;@/%d", "a?b??c??????d"},
        {"a\x1B[1m", "a?[1m"},
        {"a\tb", "a?b"},
        {"a\x9B", "a?"},
        {HUNDRED HUNDRED FIFTY "12345", HUNDRED HUNDRED FIFTY "12345"},
        {HUNDRED HUNDRED FIFTY "123456", NULL},
        {"", NULL},
        {"one two", NULL},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char *name = (char *)1;
        bool good = command_parse_domain(table[i].argument, &name);
        if (good != !!table[i].name)
            fail_msg("\"%s\" was %s", table[i].argument, good ? "taken" : "refused");
        if (good)
            assert_string_equal(name, table[i].name);
        else
            assert_null(name);
        free(name);
    }
}

static void test_V7_sizes_of_chunks(void **state)
{
    (void)state;
    static const struct {
        const char *argument;
        bool good;
        uint64_t size;
        bool last;
    } table[] = {
        {"0", true, 0, false},
        {"0 LAST", true, 0, true},
        {"86 last", true, 86, true},
        {"86   LaSt", true, 86, true},
        {"00000000000000000086", true, 86, false},
        {"18446744073709551615", true, UINT64_MAX, false},
        {"18446744073709551616", true, UINT64_MAX, false},
        {"99999999999999999999 LAST", true, UINT64_MAX, true},
        {"100000000000000000000", false, 0, false},
        {"000000000000000000086", false, 0, false},
        {"-1", false, 0, false},
        {"-1 LAST", false, 0, false},
        {"+1", false, 0, false},
        {"0x10", false, 0, false},
        {"1e3", false, 0, false},
        {"1K", false, 0, false},
        {"1.5", false, 0, false},
        {"", false, 0, false},
        {"LAST", false, 0, false},
        {"86LAST", false, 0, false},
        {"86 FIRST", false, 0, false},
        {"86 LAST LAST", false, 0, false},
        {"86 LASTLY", false, 0, false},
        {"86 87", false, 0, false},
        {"86 LAST 1", false, 0, false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        uint64_t size = 1;
        bool last;
        bool good = command_parse_bdat(table[i].argument, &size, &last);
        if (good != table[i].good)
            fail_msg("\"%s\" was %s", table[i].argument, good ? "taken" : "refused");
        if (good) {
            assert_true(size == table[i].size);
            assert_int_equal(last, table[i].last);
        }
    }
}

/* --- Paths --- */

/* All of the text is a path with this local part, and this domain unless that is NULL. */
static void expect_path(const char *text, const char *local, const char *domain)
{
    struct path path;
    const char *why = NULL;
    if (!path_parse(text, &path, &why))
        fail_msg("%s was refused: %s", text, why);
    assert_int_equal(path.length, strlen(text));
    assert_string_equal(path.address.local ? path.address.local : "", local);
    if (domain) {
        assert_non_null(path.address.domain);
        assert_string_equal(path.address.domain, domain);
    } else {
        assert_null(path.address.domain);
    }
    /* What is taken here must be readable again in the queue. */
    struct buffer printed = {0};
    buffer_append_byte(&printed, '<');
    address_format(&path.address, &printed);
    buffer_append_byte(&printed, '>');
    struct address again;
    if (!address_parse(buffer_text(&printed), &again, &why))
        fail_msg("%s reads as %s, and that not at all: %s", text, buffer_text(&printed), why);
    assert_true(address_equal(&again, &path.address));
    address_free(&again);
    buffer_free(&printed);
    address_free(&path.address);
}

static void refuse_path(const char *text, const char *words)
{
    struct path path = {.length = 1};
    const char *why = NULL;
    if (path_parse(text, &path, &why))
        fail_msg("%s was taken", text);
    if (strcmp(why, words) != 0)
        fail_msg("%s was refused with \"%s\", not with \"%s\"", text, why, words);
    assert_null(path.address.local);
    assert_null(path.address.domain);
    assert_int_equal(path.length, 0);
}

static void test_paths(void **state)
{
    (void)state;
    expect_path("<>", "", NULL);
    expect_path("<user@example.org>", "user", "example.org");
    expect_path("<User@EXAMPLE.org>", "User", "example.org");
    expect_path("<root>", "root", NULL);
    expect_path("<a.b+c@x-y.example>", "a.b+c", "x-y.example");
    expect_path("<!#$%&'*+-/=?^_`{|}~@d>", "!#$%&'*+-/=?^_`{|}~", "d");
    expect_path("<user@my_host.example>", "user", "my_host.example");
    expect_path("<user@192.0.2.1>", "user", "192.0.2.1");
}

static void test_dots_that_people_have(void **state)
{
    (void)state;
    expect_path("<a..b@d>", "a..b", "d");
    expect_path("<.a@d>", ".a", "d");
    expect_path("<a.@d>", "a.", "d");
    expect_path("<user@example.org.>", "user", "example.org");
}

static void test_V4_quoted_parts(void **state)
{
    (void)state;
    expect_path("<\"user\"@d>", "user", "d");
    expect_path("<\"a b\"@d>", "a b", "d");
    expect_path("<\"a\\\"b\\\\c\\d\"@d>", "a\"b\\cd", "d");
    expect_path("<\"user@foreign.example\"@d>", "user@foreign.example", "d");
    expect_path("<\"user@foreign.example\">", "user@foreign.example", NULL);
    expect_path("<\"user%foreign\"@d>", "user%foreign", "d");
    expect_path("<\"a>b<c\"@d>", "a>b<c", "d");
    expect_path("<\"(no comment)\"@d>", "(no comment)", "d");
    expect_path("<\"a,b;c:d\"@d>", "a,b;c:d", "d");
    refuse_path("<\"\"@d>", "no user name");
    refuse_path("<\".\"@d>", "no user name");
    refuse_path("<\"user@d>", "unclosed quotation mark");
    refuse_path("<\"user\\\"@d>", "unclosed quotation mark");
    refuse_path("<\"user\\", "nothing behind the last backslash");
    refuse_path("<\"a\"b@d>", "stray characters before '>'");
    refuse_path("<a\"b\"@d>", "stray characters before '>'");
    refuse_path("<\"a\".b@d>", "stray characters before '>'");
    refuse_path("<\"a\" @d>", "stray characters before '>'");
    refuse_path("<\"a\"@\"d\">", "empty domain");
    refuse_path("<\"a\tb\"@d>", "control character");
}

static void test_V4_routes_of_the_sender(void **state)
{
    (void)state;
    expect_path("<user%foreign.example@d>", "user%foreign.example", "d");
    expect_path("<foreign.example!user@d>", "foreign.example!user", "d");
    expect_path("<foreign.example!user>", "foreign.example!user", NULL);
    expect_path("<user%foreign.example>", "user%foreign.example", NULL);
    expect_path("<@a:user@c>", "user", "c");
    expect_path("<@a,@b.example:user@c>", "user", "c");
    expect_path("<@[192.0.2.1],@b:user@c>", "user", "c");
    expect_path("<@a:\"us er\"@c>", "us er", "c");
    refuse_path("<@a:user>", "source route to a name without a domain");
    refuse_path("<@a:>", "no user name");
    refuse_path("<@a:@b:user@c>", "no user name");
    refuse_path("<@a,b:user@c>", "source route without a colon");
    refuse_path("<@a,,@b:user@c>", "source route without a colon");
    refuse_path("<@a, @b:user@c>", "source route without a colon");
    refuse_path("<@a,:user@c>", "source route without a colon");
    refuse_path("<@a>", "source route without a colon");
    refuse_path("<@>", "empty domain");
    refuse_path("<@:user@c>", "empty domain");
    refuse_path("<@a:user@c:d>", "stray characters before '>'");
    refuse_path("<user:d@c>", "stray characters before '>'");
}

static void test_V4_domains(void **state)
{
    (void)state;
    expect_path("<user@[192.0.2.1]>", "user", "[192.0.2.1]");
    expect_path("<user@[IPv6:2001:DB8:0::1]>", "user", "[IPv6:2001:db8::1]");
    expect_path("<user@[IPv6:::ffff:192.0.2.1]>", "user", "[IPv6:::ffff:192.0.2.1]");
    refuse_path("<user@[192.0.2]>", "address literal that is no IP address");
    refuse_path("<user@[2001:db8::1]>", "address literal that is no IP address");
    refuse_path("<user@[example.org]>", "address literal that is no IP address");
    refuse_path("<user@[]>", "address literal that is no IP address");
    refuse_path("<user@[192.0.2.1>", "unclosed address literal");
    refuse_path("<user@[192.0.2.1].example>", "stray characters before '>'");
    refuse_path("<user@[192.0.2.1]@d>", "stray characters before '>'");
    refuse_path("<user@>", "empty domain");
    refuse_path("<user@@>", "empty domain");
    refuse_path("<user@@d>", "empty domain");
    refuse_path("<user@d@e>", "stray characters before '>'");
    refuse_path("<@d>", "source route without a colon");
    refuse_path("<.@d>", "no user name");
    refuse_path("<user@.>", "empty label in the domain");
    refuse_path("<user@.d>", "empty label in the domain");
    refuse_path("<user@d..>", "empty label in the domain");
    refuse_path("<user@d..e>", "empty label in the domain");
    refuse_path("<user@-d>", "hyphen at an end of a label in the domain");
    refuse_path("<user@d-.e>", "hyphen at an end of a label in the domain");
    refuse_path("<user@*.d>", "character that a domain must not have");
    refuse_path("<user@*>", "character that a domain must not have");
    refuse_path("<user@a%b>", "character that a domain must not have");
    refuse_path("<user@a/b>", "character that a domain must not have");
    refuse_path("<user@d >", "stray characters before '>'");
    refuse_path("<user@ d>", "empty domain");
}

/* What a header may hold around an address is none of a path. */
static void test_V4_no_forms_of_headers(void **state)
{
    (void)state;
    refuse_path("user@d", "address without angle brackets");
    refuse_path("", "address without angle brackets");
    refuse_path("Name <user@d>", "address without angle brackets");
    refuse_path("\"user\"@d", "address without angle brackets");
    refuse_path("<user@d", "'<' without '>'");
    refuse_path("<", "no user name");
    refuse_path("<<user@d>>", "no user name");
    refuse_path("< user@d>", "no user name");
    refuse_path("<user @d>", "stray characters before '>'");
    refuse_path("<(comment)user@d>", "no user name");
    refuse_path("<user(comment)@d>", "stray characters before '>'");
    refuse_path("<user@d(comment)>", "stray characters before '>'");
    refuse_path("<user@(comment)d>", "empty domain");
    refuse_path("<a@d,b@d>", "stray characters before '>'");
    refuse_path("<a@d;b@d>", "stray characters before '>'");
    refuse_path("<us er@d>", "stray characters before '>'");
    refuse_path("<us\\er@d>", "stray characters before '>'");
}

static void test_V4_control_characters_in_paths(void **state)
{
    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        if (byte >= 32 && byte != 127)
            continue;
        char text[] = {'<', '"', (char)byte, '"', '@', 'd', '>', '\0'};
        refuse_path(text, "control character");
        char behind[] = {'<', 'a', '@', 'd', '>', ' ', (char)byte, '\0'};
        refuse_path(behind, "control character");
    }
    refuse_path("<a\xC2\x85@d>", "control character");
    refuse_path("<\"a\xC2\x9B\"@d>", "control character");
}

static void test_V4_utf8(void **state)
{
    (void)state;
    expect_path("<m\xC3\xBCller@d>", "m\xC3\xBCller", "d");
    expect_path("<\"m \xC3\xBC\"@d>", "m \xC3\xBC", "d");
    expect_path("<user@b\xC3\xBC"
                "cher.example>",
                "user", "xn--bcher-kva.example");
    /* Cyrillic letters that look like Latin ones make another domain. */
    expect_path("<user@ex\xD0\xB0mple.org>", "user", "xn--exmple-4nf.org");
    /* Full-width letters and dots are the same domain as what they are mapped to. */
    expect_path("<user@\xEF\xBD\x85xample\xEF\xBC\x8Eorg>", "user", "example.org");
    /* A full-width '@' or '%' is a byte of a name, and nothing that a domain may have. */
    expect_path("<user\xEF\xBC\xA0"
                "foreign@d>",
                "user\xEF\xBC\xA0"
                "foreign",
                "d");
    refuse_path("<user@d\xEF\xBC\xA0"
                "e>",
                "character that a domain must not have");
    refuse_path("<user@d\xEF\xBC\x85"
                "e>",
                "character that a domain must not have");
    refuse_path("<m\xFCller@d>", "user name that is not valid UTF-8");
    refuse_path("<\"\xED\xA0\x80\"@d>", "user name that is not valid UTF-8");
    refuse_path("<\xC0\xAF@d>", "user name that is not valid UTF-8");
    refuse_path("<user@b\xFC"
                "cher>",
                "domain that is not valid UTF-8");
    struct path path;
    const char *why;
    assert_true(path_parse("<user@b\xC3\xBC"
                           "cher.example>",
                           &path, &why));
    assert_true(path.utf8);
    address_free(&path.address);
    assert_true(path_parse("<user@d> m\xC3\xBC", &path, &why));
    assert_false(path.utf8);
    assert_int_equal(path.length, 8);
    address_free(&path.address);
}

static void test_V3_lengths_of_paths(void **state)
{
    (void)state;
    static const char label[] = FIFTY_A "aaaaaaaaaaaaa"; /* 63 */
    struct buffer text = {0};
    buffer_format(&text, "<%.63s%.63s%.63s@%.63s.a>", label, label, label, label);
    assert_int_equal(text.length, 257);
    refuse_path(buffer_text(&text), "path of over 256 bytes");
    buffer_clear(&text);
    buffer_format(&text, "<%.63s%.63s%.63s@%.62s.a>", label, label, label, label);
    assert_int_equal(text.length, 256);
    struct path path;
    const char *why;
    assert_true(path_parse(buffer_text(&text), &path, &why));
    assert_int_equal(strlen(path.address.local), 3 * 63);
    address_free(&path.address);
    buffer_clear(&text);
    buffer_format(&text, "<a@%.63sa.b>", label);
    refuse_path(buffer_text(&text), "label of over 63 bytes in the domain");
    buffer_clear(&text);
    buffer_format(&text, "<@%.63s.%.63s,@%.63s.%.63s:a@b>", label, label, label, label);
    refuse_path(buffer_text(&text), "path of over 256 bytes");
    buffer_free(&text);
    refuse_path("<a@" FIFTY_A "." FIFTY_A "." FIFTY_A "." FIFTY_A "." FIFTY_A ".a>",
                "domain of over 255 bytes");
}

/* --- MAIL --- */

static struct outcome parse_mail(const char *argument, unsigned allow, struct mail_command *mail)
{
    memset(mail, 0xFF, sizeof *mail);
    return command_parse_mail(argument, allow, mail);
}

static void test_mail_with_everything(void **state)
{
    (void)state;
    struct mail_command mail;
    struct outcome outcome =
        parse_mail("from:<Ops@Example.org> size=12345 Body=8bitmime SMTPUTF8 RET=hdrs "
                   "ENVID=QQ+20314+2B159 AUTH=ops+2Bx@example.org",
                   0, &mail);
    assert_true(outcome_good(&outcome));
    assert_string_equal(mail.sender.local, "Ops");
    assert_string_equal(mail.sender.domain, "example.org");
    assert_true(mail.has_size);
    assert_int_equal(mail.size, 12345);
    assert_int_equal(mail.body, BODY_8BITMIME);
    assert_true(mail.smtputf8);
    assert_int_equal(mail.ret, RETURN_HEADERS);
    assert_string_equal(mail.envid, "QQ 314+159");
    command_free_mail(&mail);
    assert_null(mail.envid);
    command_free_mail(&mail);
}

static void test_mail_with_nothing(void **state)
{
    (void)state;
    struct mail_command mail;
    struct outcome outcome = parse_mail("FROM:<>", 0, &mail);
    assert_true(outcome_good(&outcome));
    assert_true(address_is_null(&mail.sender));
    assert_false(mail.has_size);
    assert_int_equal(mail.size, 0);
    assert_int_equal(mail.body, BODY_UNSAID);
    assert_false(mail.smtputf8);
    assert_int_equal(mail.ret, RETURN_UNSAID);
    assert_null(mail.envid);
    command_free_mail(&mail);
}

/* code 0: taken. */
struct expected {
    const char *argument;
    unsigned allow;
    unsigned code;
    const char *status;
};

static void expect_outcome(const struct expected *expected, const struct outcome *outcome)
{
    if (expected->code == 0) {
        if (!outcome_good(outcome))
            fail_msg("%s was refused: %s", expected->argument, outcome->reason);
        return;
    }
    if (outcome_good(outcome))
        fail_msg("%s was taken", expected->argument);
    assert_int_equal(outcome->result, NEVER);
    if (command_code(outcome) != expected->code || strcmp(outcome->status, expected->status) != 0)
        fail_msg("%s got %u %s %s", expected->argument, command_code(outcome), outcome->status,
                 outcome->reason);
    assert_true(*outcome->reason);
}

static void expect_mail(const struct expected *expected)
{
    struct mail_command mail;
    struct outcome outcome = parse_mail(expected->argument, expected->allow, &mail);
    expect_outcome(expected, &outcome);
    if (!outcome_good(&outcome)) {
        /* Nothing of it is left. */
        static const struct mail_command none;
        assert_null(mail.sender.local);
        assert_null(mail.envid);
        assert_int_equal(mail.has_size, none.has_size);
    }
    command_free_mail(&mail);
}

static void test_mail_syntax(void **state)
{
    (void)state;
    static const struct expected table[] = {
        {"FROM: <a@b>", 0, 0, ""},
        {"FROM:   <a@b>   SIZE=1    RET=FULL", 0, 0, ""},
        {"FROM:<a@b>", ALLOW_BARE, 0, ""},
        {"FROM:<root>", ALLOW_BARE, 0, ""},
        {"FROM:<root>", 0, 501, "5.1.7"},
        {"FROM:<postmaster>", 0, 501, "5.1.7"},
        {"", 0, 501, "5.5.2"},
        {"FROM", 0, 501, "5.5.2"},
        {"FROM <a@b>", 0, 501, "5.5.2"},
        {"FROM :<a@b>", 0, 501, "5.5.2"},
        {"<a@b>", 0, 501, "5.5.2"},
        {"TO:<a@b>", 0, 501, "5.5.2"},
        {"FROM:", 0, 501, "5.1.7"},
        {"FROM:a@b", 0, 501, "5.1.7"},
        {"FROM:<a@b", 0, 501, "5.1.7"},
        {"FROM:<a@b>x", 0, 501, "5.1.7"},
        {"FROM:<a@b>@c", 0, 501, "5.1.7"},
        {"FROM:<a@b>SIZE=1", 0, 501, "5.1.7"},
        {"FROM:<a@b>,<c@d>", 0, 501, "5.1.7"},
        {"FROM:<a@b> <c@d>", 0, 501, "5.5.4"},
        {"FROM:<a@b>\tSIZE=1", 0, 501, "5.1.7"},
        {"FROM:\t<a@b>", 0, 501, "5.1.7"},
        {"FROM:<>x", 0, 501, "5.1.7"},
        {"FROM:< >", 0, 501, "5.1.7"},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        expect_mail(&table[i]);
}

static void test_mail_parameters(void **state)
{
    (void)state;
    static const struct expected table[] = {
        {"FROM:<a@b> SIZE=0", 0, 0, ""},
        {"FROM:<a@b> SIZE=00000000000000000001", 0, 0, ""},
        {"FROM:<a@b> BODY=7BIT", 0, 0, ""},
        {"FROM:<a@b> RET=FULL", 0, 0, ""},
        {"FROM:<a@b> AUTH=<>", 0, 0, ""},
        {"FROM:<a@b> ENVID=" HUNDRED, 0, 0, ""},
        {"FROM:<a@b> SIZE", 0, 501, "5.5.4"},
        {"FROM:<a@b> SIZE=", 0, 501, "5.5.4"},
        {"FROM:<a@b> SIZE=-1", 0, 501, "5.5.4"},
        {"FROM:<a@b> SIZE=1K", 0, 501, "5.5.4"},
        {"FROM:<a@b> SIZE=0x10", 0, 501, "5.5.4"},
        {"FROM:<a@b> SIZE=100000000000000000000", 0, 501, "5.5.4"},
        {"FROM:<a@b> SIZE=1 SIZE=1", 0, 501, "5.5.4"},
        {"FROM:<a@b> SIZE=1 size=2", 0, 501, "5.5.4"},
        {"FROM:<a@b> BODY", 0, 501, "5.5.4"},
        {"FROM:<a@b> BODY=", 0, 501, "5.5.4"},
        {"FROM:<a@b> BODY=BINARYMIME", 0, 501, "5.5.4"},
        {"FROM:<a@b> BODY=8BITMIMEX", 0, 501, "5.5.4"},
        {"FROM:<a@b> BODY=7BIT BODY=8BITMIME", 0, 501, "5.5.4"},
        {"FROM:<a@b> SMTPUTF8=", 0, 501, "5.5.4"},
        {"FROM:<a@b> SMTPUTF8=yes", 0, 501, "5.5.4"},
        {"FROM:<a@b> SMTPUTF8 SMTPUTF8", 0, 501, "5.5.4"},
        {"FROM:<a@b> RET", 0, 501, "5.5.4"},
        {"FROM:<a@b> RET=ALL", 0, 501, "5.5.4"},
        {"FROM:<a@b> ENVID", 0, 501, "5.5.4"},
        {"FROM:<a@b> ENVID=", 0, 501, "5.5.4"},
        {"FROM:<a@b> ENVID=a+0Ab", 0, 501, "5.5.4"},
        {"FROM:<a@b> ENVID=a+00b", 0, 501, "5.5.4"},
        {"FROM:<a@b> ENVID=a+4", 0, 501, "5.5.4"},
        {"FROM:<a@b> ENVID=a=b", 0, 501, "5.5.4"},
        {"FROM:<a@b> ENVID=a\xC3\xBC", 0, 501, "5.5.4"},
        {"FROM:<a@b> ENVID=" HUNDRED "1", 0, 501, "5.5.4"},
        {"FROM:<a@b> ENVID=a ENVID=a", 0, 501, "5.5.4"},
        {"FROM:<a@b> AUTH", 0, 501, "5.5.4"},
        {"FROM:<a@b> AUTH=", 0, 501, "5.5.4"},
        {"FROM:<a@b> AUTH=a+0D+0AQUIT", 0, 501, "5.5.4"},
        {"FROM:<a@b> =1", 0, 501, "5.5.4"},
        {"FROM:<a@b> =", 0, 501, "5.5.4"},
        {"FROM:<a@b> SI?ZE=1", 0, 501, "5.5.4"},
        {"FROM:<a@b> -SIZE=1", 0, 501, "5.5.4"},
        {"FROM:<a@b> NOTIFY=NEVER", 0, 555, "5.5.4"},
        {"FROM:<a@b> ORCPT=rfc822;a", 0, 555, "5.5.4"},
        {"FROM:<a@b> XSIZE=1", 0, 555, "5.5.4"},
        {"FROM:<a@b> SIZ=1", 0, 555, "5.5.4"},
        {"FROM:<a@b> SIZES=1", 0, 555, "5.5.4"},
        {"FROM:<a@b> X-Y-=1", 0, 555, "5.5.4"},
        {"FROM:<a@b> " HUNDRED HUNDRED "=" HUNDRED HUNDRED, 0, 555, "5.5.4"},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        expect_mail(&table[i]);
}

static void test_V7_sizes_over_every_number(void **state)
{
    (void)state;
    static const char *const texts[] = {"FROM:<> SIZE=18446744073709551615",
                                        "FROM:<> SIZE=18446744073709551616",
                                        "FROM:<> SIZE=99999999999999999999"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct mail_command mail;
        struct outcome outcome = parse_mail(texts[i], 0, &mail);
        assert_true(outcome_good(&outcome));
        assert_true(mail.size == UINT64_MAX);
        command_free_mail(&mail);
    }
}

static void test_V4_utf8_by_leave_alone(void **state)
{
    (void)state;
    static const struct expected senders[] = {
        {"FROM:<m\xC3\xBC@b> SMTPUTF8", 0, 0, ""},
        {"FROM:<m\xC3\xBC@b>", 0, 553, "5.6.7"},
        {"FROM:<m\xC3\xBC@b>", ALLOW_UTF8, 553, "5.6.7"},
        {"FROM:<m@b\xC3\xBC.example>", 0, 553, "5.6.7"},
        {"FROM:<@b\xC3\xBC.example:m@b>", 0, 553, "5.6.7"},
        {"FROM:<m\xFC@b> SMTPUTF8", 0, 501, "5.1.7"},
    };
    for (size_t i = 0; i < COUNT(senders); i++)
        expect_mail(&senders[i]);
}

/* --- RCPT --- */

static void expect_rcpt(const struct expected *expected)
{
    struct rcpt_command rcpt;
    memset(&rcpt, 0xFF, sizeof rcpt);
    struct outcome outcome = command_parse_rcpt(expected->argument, expected->allow, &rcpt);
    expect_outcome(expected, &outcome);
    if (!outcome_good(&outcome)) {
        assert_null(rcpt.recipient.local);
        assert_null(rcpt.orcpt);
        assert_int_equal(rcpt.notify, 0);
    }
    command_free_rcpt(&rcpt);
}

static void test_rcpt_with_everything(void **state)
{
    (void)state;
    struct rcpt_command rcpt;
    struct outcome outcome = command_parse_rcpt(
        "To:<You@Example.net> Notify=success,Delay orcpt=rfc822;Y+2Bo@Example", 0, &rcpt);
    assert_true(outcome_good(&outcome));
    assert_string_equal(rcpt.recipient.local, "You");
    assert_string_equal(rcpt.recipient.domain, "example.net");
    assert_int_equal(rcpt.notify, NOTIFY_SUCCESS | NOTIFY_DELAY);
    assert_string_equal(rcpt.orcpt, "rfc822;Y+o@Example");
    command_free_rcpt(&rcpt);
    assert_null(rcpt.orcpt);
    command_free_rcpt(&rcpt);
}

static void test_rcpt_syntax(void **state)
{
    (void)state;
    static const struct expected table[] = {
        {"TO:<a@b>", 0, 0, ""},
        {"TO:  <a@b>", 0, 0, ""},
        {"TO:<Postmaster>", 0, 0, ""},
        {"TO:<POSTMASTER>", 0, 0, ""},
        {"TO:<\"postmaster\">", 0, 0, ""},
        {"TO:<postmaster.>", 0, 501, "5.1.3"},
        {"TO:<root>", 0, 501, "5.1.3"},
        {"TO:<root>", ALLOW_BARE, 0, ""},
        {"TO:<user%foreign>", 0, 501, "5.1.3"},
        {"TO:<foreign!user>", 0, 501, "5.1.3"},
        {"TO:<\"user@foreign\">", 0, 501, "5.1.3"},
        {"TO:<>", 0, 501, "5.1.3"},
        {"TO:<>", ALLOW_BARE, 501, "5.1.3"},
        {"TO:<\"\"@b>", 0, 501, "5.1.3"},
        {"TO:<@b>", 0, 501, "5.1.3"},
        {"TO:<a@@b>", 0, 501, "5.1.3"},
        {"TO:<@a:postmaster>", 0, 501, "5.1.3"},
        {"", 0, 501, "5.5.2"},
        {"TO", 0, 501, "5.5.2"},
        {"TO <a@b>", 0, 501, "5.5.2"},
        {"FROM:<a@b>", 0, 501, "5.5.2"},
        {"TO:", 0, 501, "5.1.3"},
        {"TO:a@b", 0, 501, "5.1.3"},
        {"TO:<a@b>@foreign", 0, 501, "5.1.3"},
        {"TO:<a@b><c@d>", 0, 501, "5.1.3"},
        {"TO:<a@b> <c@d>", 0, 501, "5.5.4"},
        {"TO:<a@b> c@d", 0, 501, "5.5.4"},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        expect_rcpt(&table[i]);
}

static void test_rcpt_parameters(void **state)
{
    (void)state;
    static const struct expected table[] = {
        {"TO:<a@b> NOTIFY=NEVER", 0, 0, ""},
        {"TO:<a@b> NOTIFY=SUCCESS,FAILURE,DELAY", 0, 0, ""},
        {"TO:<a@b> ORCPT=rfc822;c@d", 0, 0, ""},
        {"TO:<a@b> ORCPT=x-other-type;c+20d", 0, 0, ""},
        {"TO:<a@b> ORCPT=utf-8;c@d", 0, 0, ""},
        {"TO:<a@b> ORCPT=utf-8;m\\x{FC}ller@d", 0, 0, ""},
        {"TO:<a@b> ORCPT=utf-8;m\xC3\xBCller@d", ALLOW_UTF8, 0, ""},
        {"TO:<a@b> ORCPT=utf-8;m\xC3\xBCller@d", 0, 501, "5.5.4"},
        {"TO:<a@b> ORCPT=rfc822;m\xC3\xBCller@d", ALLOW_UTF8, 501, "5.5.4"},
        {"TO:<a@b> ORCPT=utf-8;m\xFCller@d", ALLOW_UTF8, 501, "5.5.4"},
        {"TO:<a@b> ORCPT=utf-8;m\xC2\x9Bller@d", ALLOW_UTF8, 501, "5.5.4"},
        {"TO:<a@b> ORCPT=r;" HUNDRED HUNDRED HUNDRED HUNDRED FIFTY TEN TEN TEN TEN "12345678", 0, 0,
         ""},
        {"TO:<a@b> ORCPT=r;" HUNDRED HUNDRED HUNDRED HUNDRED FIFTY TEN TEN TEN TEN "123456789", 0,
         501, "5.5.4"},
        {"TO:<a@b> NOTIFY", 0, 501, "5.5.4"},
        {"TO:<a@b> NOTIFY=", 0, 501, "5.5.4"},
        {"TO:<a@b> NOTIFY=NEVER,SUCCESS", 0, 501, "5.5.4"},
        {"TO:<a@b> NOTIFY=SUCCESS,", 0, 501, "5.5.4"},
        {"TO:<a@b> NOTIFY=ALWAYS", 0, 501, "5.5.4"},
        {"TO:<a@b> NOTIFY=SUCCESS NOTIFY=SUCCESS", 0, 501, "5.5.4"},
        {"TO:<a@b> ORCPT", 0, 501, "5.5.4"},
        {"TO:<a@b> ORCPT=", 0, 501, "5.5.4"},
        {"TO:<a@b> ORCPT=c@d", 0, 501, "5.5.4"},
        {"TO:<a@b> ORCPT=rfc822;", 0, 501, "5.5.4"},
        {"TO:<a@b> ORCPT=;c@d", 0, 501, "5.5.4"},
        {"TO:<a@b> ORCPT=rfc 822;c@d", 0, 501, "5.5.4"},
        {"TO:<a@b> ORCPT=rfc+32;c@d", 0, 501, "5.5.4"},
        {"TO:<a@b> ORCPT=rfc822;c+0Ad", 0, 501, "5.5.4"},
        {"TO:<a@b> ORCPT=rfc822;c ORCPT=rfc822;c", 0, 501, "5.5.4"},
        {"TO:<a@b> SIZE=1", 0, 555, "5.5.4"},
        {"TO:<a@b> BODY=7BIT", 0, 555, "5.5.4"},
        {"TO:<a@b> X", 0, 555, "5.5.4"},
        {"TO:<m\xC3\xBC@b>", ALLOW_UTF8, 0, ""},
        {"TO:<m\xC3\xBC@b>", 0, 553, "5.6.7"},
        {"TO:<m@b\xC3\xBC.example>", 0, 553, "5.6.7"},
        {"TO:<m@b\xC3\xBC.example>", ALLOW_UTF8, 0, ""},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        expect_rcpt(&table[i]);
}

static void test_words_hold_nothing_of_the_client(void **state)
{
    (void)state;
    struct mail_command mail;
    struct outcome outcome = parse_mail("FROM:<a@b> " HUNDRED "=1", 0, &mail);
    assert_string_equal(outcome.reason, "unknown parameter " TEN TEN TEN TEN);
    outcome = parse_mail("FROM:<a@b> \xC2\x9B=1", 0, &mail);
    assert_string_equal(outcome.reason, "not a parameter");
    outcome = parse_mail("FROM:<secret", 0, &mail);
    assert_null(strstr(outcome.reason, "secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_V1_ends_of_lines),
        cmocka_unit_test(test_V4_control_characters_in_lines),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_names_of_clients),
        cmocka_unit_test(test_V7_sizes_of_chunks),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_dots_that_people_have),
        cmocka_unit_test(test_V4_quoted_parts),
        cmocka_unit_test(test_V4_routes_of_the_sender),
        cmocka_unit_test(test_V4_domains),
        cmocka_unit_test(test_V4_no_forms_of_headers),
        cmocka_unit_test(test_V4_control_characters_in_paths),
        cmocka_unit_test(test_V4_utf8),
        cmocka_unit_test(test_V3_lengths_of_paths),
        cmocka_unit_test(test_mail_with_everything),
        cmocka_unit_test(test_mail_with_nothing),
        cmocka_unit_test(test_mail_syntax),
        cmocka_unit_test(test_mail_parameters),
        cmocka_unit_test(test_V7_sizes_over_every_number),
        cmocka_unit_test(test_V4_utf8_by_leave_alone),
        cmocka_unit_test(test_rcpt_with_everything),
        cmocka_unit_test(test_rcpt_syntax),
        cmocka_unit_test(test_rcpt_parameters),
        cmocka_unit_test(test_words_hold_nothing_of_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

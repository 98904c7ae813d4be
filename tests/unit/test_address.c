/* Addresses: what is one, what is none, what it means, and how it is printed again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/text.h"
#include "mail/address.h"
#include "mail/domain.h"

/* Parses, and compares local part and domain; domain NULL: unqualified. */
static void expect(const char *text, const char *local, const char *domain)
{
    struct address address;
    const char *why = NULL;
    if (!address_parse(text, &address, &why))
        fail_msg("\"%s\" was refused: %s", text, why);
    assert_string_equal(address.local ? address.local : "", local);
    if (domain) {
        assert_non_null(address.domain);
        assert_string_equal(address.domain, domain);
    } else {
        assert_null(address.domain);
    }
    address_free(&address);
}

static void refuse(const char *text)
{
    struct address address = {.local = (char *)1};
    const char *why = NULL;
    if (address_parse(text, &address, &why))
        fail_msg("\"%s\" was taken", text);
    assert_non_null(why);
    assert_null(address.local);
    assert_null(address.domain);
}

static void expect_text(const char *text, const char *printed)
{
    struct address address;
    const char *why;
    assert_true(address_parse(text, &address, &why));
    char *again = address_text(&address);
    assert_string_equal(again, printed);
    free(again);
    address_free(&address);
}

static void test_plain(void **state)
{
    (void)state;
    expect("root", "root", NULL);
    expect("root@Example.ORG", "root", "example.org");
    expect("<root@example.org>", "root", "example.org");
    expect(" < root @ example . org > ", "root", "example.org");
    expect("Name <a@b>", "a", "b");
    expect("\"Name, with comma\" <a@b>", "a", "b");
    expect("Name.With Dots. <a@b>", "a", "b");
    expect("a@b <c@d>", "c", "d");
    expect("[list] Name <a@b>", "a", "b");
    expect("a@b (Name (nested \\) ) here)", "a", "b");
    expect("(before) a (in) @ (the) b (behind)", "a", "b");
    expect("a . b @ c . d", "a.b", "c.d");
    expect("a@example.org.", "a", "example.org");
    expect("a@my_host", "a", "my_host");
    expect("J\xC3\xBCrgen <j@b>", "j", "b");
}

static void test_null_path(void **state)
{
    (void)state;
    expect("<>", "", NULL);
    expect(" <\t> (bounce)", "", NULL);
    struct address null = {0};
    assert_true(address_is_null(&null));
    char *text = address_text(&null);
    assert_string_equal(text, "");
    free(text);
}

static void test_quoted_local_parts(void **state)
{
    (void)state;
    expect("\"a b\"@c", "a b", "c");
    expect("\"a\\\"b\\\\c\"@d", "a\"b\\c", "d");
    expect("\"a\".b.\"c d\"@e", "a.b.c d", "e");
    expect("\"@\"@e", "@", "e");
    expect("<\"Joe Doe\">", "Joe Doe", NULL);
    expect_text("\"a b\"@c", "\"a b\"@c");
    expect_text("\"ab\"@c", "ab@c");
    expect_text("\"a\\\"b\"@c", "\"a\\\"b\"@c");
    expect_text("a..b@c", "\"a..b\"@c");
    expect_text("a.@c", "\"a.\"@c");
    refuse("\"a b@c");
    refuse("\"\"@c");
    refuse("\"a\"b@c");
    refuse("\"tab\there\"@c");
}

static void test_source_routes_are_dropped(void **state)
{
    (void)state;
    expect("<@one,@two:user@example.org>", "user", "example.org");
    expect("<@[192.0.2.1]:user@example.org>", "user", "example.org");
    expect("@one:user@example.org", "user", "example.org");
    expect("Name <@one,,@two:user@example.org>", "user", "example.org");
    refuse("<@one>");
    refuse("<@one:>");
    refuse("<@one,user@example.org>");
}

static void test_literals(void **state)
{
    (void)state;
    expect("a@[192.0.2.1]", "a", "[192.0.2.1]");
    expect("a@[ipv6:2001:DB8:0::1]", "a", "[IPv6:2001:db8::1]");
    expect("Name <a@[IPv6:::1]>", "a", "[IPv6:::1]");
    refuse("a@[192.0.2]");
    refuse("a@[IPv6:xyz]");
    refuse("a@[192.0.2.1");
    refuse("a@[192.0.2.1]b");
    refuse("a@[]");
}

static void test_S2_options_and_shell_characters(void **state)
{
    (void)state;
    expect("-oQ/tmp@example.org", "-oQ/tmp", "example.org");
    expect("-bs", "-bs", NULL);
    expect("|cmd", "|cmd", NULL);
    expect("$HOME`id`&x@example.org", "$HOME`id`&x", "example.org");
    expect("\";rm -rf /;\"@example.org", ";rm -rf /;", "example.org");
    expect_text("\";rm -rf /;\"@example.org", "\";rm -rf /;\"@example.org");
    refuse("a@-oProxyCommand=x");
    refuse("a;b@example.org");
}

static void test_S1_control_characters(void **state)
{
    (void)state;
    refuse("a@b\n");
    refuse("a@b\r\nBcc: x@y");
    refuse("a\n@b");
    refuse("\"a\nb\"@c");
    refuse("\"a\\\nb\"@c");
    refuse("\"a\\\rb\"@c");
    refuse("a(\r)@b");
    refuse("a\x01@b");
    refuse("a\x7F@b");
    refuse("a@b\x7F");
    refuse("a\xC2\x9B@b");
    refuse("\"a\xC2\x80\"@b");
    refuse("\n a@b");
    refuse("Name\r\n <a@b>");
}

static void test_V4_relay_tricks(void **state)
{
    (void)state;
    expect("a%b@c", "a%b", "c");
    expect("c!a@b", "c!a", "b");
    refuse("a@b@c");
    refuse("a@@b");
    refuse("a@");
    refuse("@b");
    refuse("a@b..c");
    refuse("a@.b");
    refuse("a@b,c@d");
    refuse("a@b c@d");
    refuse("<a@b");
    refuse("a@b>");
    refuse("<a@b> c");
    refuse("a b");
    refuse("a)b");
    refuse("(a");
    refuse("a\\@b");
    refuse("");
    refuse(" ");
    refuse("()");
    refuse(".@b");
    refuse("group: a@b;");
}

static void test_internationalised_names(void **state)
{
    (void)state;
    expect("a@b\xC3\xBC"
           "cher.example",
           "a", "xn--bcher-kva.example");
    expect("a@B\xC3\x9C"
           "CHER.Example",
           "a", "xn--bcher-kva.example");
    expect("a@fa\xC3\x9F.example", "a", "xn--fa-hia.example");
    expect("a@xn--bcher-kva.example", "a", "xn--bcher-kva.example");
    /* Full-width letters are the letters (UTS 46); Cyrillic ones are not. */
    expect("a@\xEF\xBD\x85xample.org", "a", "example.org");
    expect("a@ex\xD0\xB0mple.org", "a", "xn--exmple-4nf.org");
    /* A full-width '@' is none, in a name or behind the mapping. */
    refuse("a@b\xEF\xBC\xA0"
           "c.org");
    refuse("a@b\xFF.org");
    refuse("a@\xE2\x80\x8B.org");
    expect("j\xC3\xBCrgen@example.org", "j\xC3\xBCrgen", "example.org");
    refuse("j\xFCrgen@example.org");
    struct address address;
    const char *why;
    assert_true(address_parse("j\xC3\xBCrgen@b\xC3\xBC.org", &address, &why));
    assert_true(address_needs_smtputf8(&address));
    address_free(&address);
    assert_true(address_parse("jurgen@b\xC3\xBC.org", &address, &why));
    assert_false(address_needs_smtputf8(&address));
    address_free(&address);
}

static void test_limits(void **state)
{
    (void)state;
    char text[1500];
    memset(text, 'a', sizeof text);
    memcpy(text + 255, "@b", 3);
    struct address address;
    const char *why;
    assert_true(address_parse(text, &address, &why));
    address_free(&address);
    memset(text, 'a', 256);
    memcpy(text + 256, "@b", 3);
    refuse(text);

    struct buffer domain = {0};
    buffer_append_text(&domain, "u@");
    for (int i = 0; i < 127; i++)
        buffer_append_text(&domain, "a.");
    buffer_append_text(&domain, "b");
    assert_true(address_parse(buffer_text(&domain), &address, &why)); /* 255 bytes */
    address_free(&address);
    buffer_append_text(&domain, "c");
    refuse(buffer_text(&domain));
    buffer_free(&domain);

    memcpy(text, "u@", 2);
    memset(text + 2, 'a', 63);
    text[65] = '\0';
    assert_true(address_parse(text, &address, &why));
    address_free(&address);
    text[65] = 'a';
    text[66] = '\0';
    refuse(text);
}

static void test_qualify_and_compare(void **state)
{
    (void)state;
    struct address a, b;
    const char *why;
    assert_true(address_parse("root", &a, &why));
    assert_true(address_parse("root@example.org", &b, &why));
    assert_false(address_equal(&a, &b));
    address_qualify(&a, "Example.org");
    assert_true(address_equal(&a, &b));
    address_qualify(&a, "other.example");
    assert_true(address_equal(&a, &b));
    struct address copy = address_copy(&a);
    assert_true(address_equal(&copy, &a));
    copy.local[0] = 'R';
    assert_false(address_equal(&copy, &a));
    struct address null = {0};
    assert_false(address_equal(&null, &a));
    address_qualify(&null, "example.org");
    assert_true(address_is_null(&null));
    address_free(&a);
    address_free(&b);
    address_free(&copy);
}

/* Parses a list and joins what came of it by '|'. */
static char *list_of(const char *text)
{
    struct addresses list = {0};
    struct buffer joined = {0};
    const char *why = NULL;
    if (!addresses_parse(text, &list, &why)) {
        assert_non_null(why);
        buffer_format(&joined, "ERROR");
    } else {
        for (size_t i = 0; i < list.count; i++) {
            if (i)
                buffer_append_byte(&joined, '|');
            address_format(&list.items[i].address, &joined);
        }
    }
    addresses_free(&list);
    return buffer_take(&joined);
}

static void expect_list(const char *text, const char *joined)
{
    char *list = list_of(text);
    assert_string_equal(list, joined);
    free(list);
}

static void test_S9_lists(void **state)
{
    (void)state;
    expect_list("a@b, c@d", "a@b|c@d");
    expect_list(" \"Doe, Joe\" <a@b> ,, (x, y (z)) c ,\n\td@e\n", "a@b|c|d@e");
    expect_list("undisclosed-recipients:;", "");
    expect_list("undisclosed recipients: ;\n", "");
    expect_list("team: a@b, \"C:D\" <c@d>;, e@f", "a@b|c@d|e@f");
    expect_list("one: a@b; two: c@d;", "a@b|c@d");
    expect_list("", "");
    expect_list(",\n", "");
    expect_list("Joe (the \\( one) <a@b> (x)\r\n , c@d\r\n", "a@b|c@d");
    expect_list("root (Cron Daemon)", "root");
    expect_list("a@b c@d", "ERROR");
    expect_list("Cron Daemon", "ERROR");
    expect_list("team: a@b", "ERROR");
    expect_list("a: b: c@d;;", "ERROR");
    expect_list("a@b;", "ERROR");
    expect_list("<>", "ERROR");
    expect_list("a@b\nc@d", "ERROR");
    expect_list("a@b, (", "ERROR");
    expect_list("a@b, \"x", "ERROR");
}

static void test_spans_and_fault(void **state)
{
    (void)state;
    const char *text = " Joe <root> , (c) bin (d), x . y (z), <@r:d@e>";
    struct addresses list = {0};
    const char *why;
    assert_true(addresses_parse(text, &list, &why));
    assert_int_equal(list.count, 4);
    const char *spans[] = {"root", "bin", "x . y", "d@e"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(list.items[i].end - list.items[i].start, strlen(spans[i]));
        assert_memory_equal(text + list.items[i].start, spans[i], strlen(spans[i]));
    }
    addresses_free(&list);
    assert_false(addresses_parse("a@b, c d, e@f", &list, &why));
    assert_int_equal(list.fault, 5);
    addresses_free(&list);
}

static void test_long_lists_take_linear_time(void **state)
{
    (void)state;
    enum { SIZE = 4 << 20 };
    const char *fillings[] = {"a,", "(", "<", "\"", "a.", "a ", "a:", "\\", "@", "a@", "[", "a@["};
    char *text = malloc(SIZE + 1);
    for (size_t f = 0; f < sizeof fillings / sizeof fillings[0]; f++) {
        size_t step = strlen(fillings[f]);
        for (size_t i = 0; i < SIZE; i++)
            text[i] = fillings[f][i % step];
        text[SIZE] = '\0';
        struct addresses list = {0};
        const char *why;
        int64_t begin = clock_ms();
        bool good = addresses_parse(text, &list, &why);
        assert_int_equal(good, f == 0);
        assert_true(clock_ms() - begin < 20000); /* quadratic would be hours */
        addresses_free(&list);
    }
    free(text);
}

static uint32_t random_state = 20250704;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % bound;
}

/* What parses must be clean, print, and parse to the same again. */
static void check_round_trip(const char *text)
{
    struct address address, again;
    const char *why = NULL;
    if (!address_parse(text, &address, &why)) {
        assert_non_null(why);
        return;
    }
    char *printed = address_text(&address);
    for (const char *c = printed; *c; c++)
        assert_true((unsigned char)*c >= ' ' && *c != 127);
    assert_true(text_is_utf8(printed, strlen(printed)));
    if (!address_is_null(&address)) {
        assert_true(address_parse(printed, &again, &why));
        assert_true(address_equal(&address, &again));
        address_free(&again);
    }
    free(printed);
    address_free(&address);
}

static void test_random_mutations(void **state)
{
    (void)state;
    const char *seeds[] = {"\"Doe, Joe\" <@a,@b:joe.doe@example.org> (x (y)), team: c@[192.0.2.1];",
                           "a@b\xC3\xBC.example, <\"q u\\\"o\"@d>,\n\tx . y (z)\n", "root", "<>",
                           "a@[IPv6:2001:db8::1]"};
    const char bytes[] = "<>()[]{}\"\\,;:@. \t\r\n\x7F\xC3\xBC\xFF\xE2\x80\x8B=-_a1";
    for (int round = 0; round < 60000; round++) {
        char text[128];
        snprintf(text, sizeof text, "%s", seeds[random_below(sizeof seeds / sizeof seeds[0])]);
        size_t length = strlen(text);
        for (uint32_t edits = 1 + random_below(6); edits && length; edits--) {
            size_t at = random_below((uint32_t)length);
            if (random_below(4) == 0) {
                memmove(text + at, text + at + 1, length - at);
                length--;
            } else {
                text[at] = bytes[random_below(sizeof bytes - 1)];
            }
        }
        check_round_trip(text);
        struct addresses list = {0};
        const char *why = NULL;
        if (!addresses_parse(text, &list, &why))
            assert_non_null(why);
        for (size_t i = 0; i < list.count; i++)
            assert_true(list.items[i].start < list.items[i].end && list.items[i].end <= length);
        addresses_free(&list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_null_path),
        cmocka_unit_test(test_quoted_local_parts),
        cmocka_unit_test(test_source_routes_are_dropped),
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_S2_options_and_shell_characters),
        cmocka_unit_test(test_S1_control_characters),
        cmocka_unit_test(test_V4_relay_tricks),
        cmocka_unit_test(test_internationalised_names),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_qualify_and_compare),
        cmocka_unit_test(test_S9_lists),
        cmocka_unit_test(test_spans_and_fault),
        cmocka_unit_test(test_long_lists_take_linear_time),
        cmocka_unit_test(test_random_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Findings: what one program of ours says and another reads, whatever stands in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "check/finding.h"

static void test_there_and_back(void **state)
{
    struct findings said = {0}, heard = {0};
    struct buffer text = {0};
    (void)state;
    finding_add(&said, FINDING_GOOD, "settings", "%s is understood", "/etc/x");
    finding_add(&said, FINDING_HINT, "names", "gr\xc3\xbcn");
    finding_add(&said, FINDING_WARNING, "aliases", "%d aliases", 3);
    finding_remedy(&said, "echo 'root: you@%s' >> /etc/aliases", "example.org");
    finding_add(&said, FINDING_FAULT, "disk", "full");
    finding_remedy(&said, "one");
    finding_remedy(&said, "another one"); /* the last counts */
    finding_format(&said, &text);
    assert_string_equal(text.data, "good\tsettings\t/etc/x is understood\t\n"
                                   "hint\tnames\tgr\xc3\xbcn\t\n"
                                   "warning\taliases\t3 aliases\techo 'root: you@example.org' >> "
                                   "/etc/aliases\n"
                                   "fault\tdisk\tfull\tanother one\n");
    assert_true(finding_parse(text.data, text.length, &heard));
    assert_int_equal(heard.count, said.count);
    for (size_t i = 0; i < said.count; i++) {
        assert_int_equal(heard.items[i].mark, said.items[i].mark);
        assert_string_equal(heard.items[i].topic, said.items[i].topic);
        assert_string_equal(heard.items[i].text, said.items[i].text);
    }
    assert_null(heard.items[0].remedy);
    assert_string_equal(heard.items[3].remedy, "another one");
    assert_int_equal(finding_worst(&heard), FINDING_FAULT);
    finding_free(&said);
    finding_free(&heard);
    assert_int_equal(finding_worst(&heard), FINDING_GOOD);
    assert_int_equal(heard.count, 0);
    buffer_free(&text);
}

/* What stands in a finding can neither begin another one nor steer a terminal. */
static void test_is_one_line(void **state)
{
    struct findings said = {0}, heard = {0};
    struct buffer text = {0};
    (void)state;
    finding_add(&said, FINDING_HINT, "a\tb", "%s", "one\nfault\tx\ty\tz\n\x1b[2J\xc2\x9b\xff\x7f");
    finding_remedy(&said, "%s", "a\r\nb\tc");
    finding_format(&said, &text);
    assert_string_equal(text.data, "hint\ta b\tone fault x y z  [2J??? \ta  b c\n");
    assert_true(finding_parse(text.data, text.length, &heard));
    assert_int_equal(heard.count, 1);
    finding_free(&said);
    finding_free(&heard);
    buffer_free(&text);
}

/* Of what is no list of findings the lines before are kept, and nothing else. */
static void test_rubbish(void **state)
{
    static const struct {
        const char *text;
        size_t length; /* 0: up to the NUL */
        size_t kept;
        bool good;
    } cases[] = {
        {"", 0, 0, true},
        {"good\ta\tb\t\n", 0, 1, true},
        {"good\ta\tb\t", 0, 0, false}, /* cut */
        {"good\ta\tb\t\ngood\ta\tb", 0, 1, false},
        {"\n", 0, 0, false},
        {"good\n", 0, 0, false},
        {"good\ta\tb\n", 0, 0, false},
        {"good\ta\tb\tc\td\n", 0, 0, false},
        {"Good\ta\tb\t\n", 0, 0, false},
        {"goo\ta\tb\t\n", 0, 0, false},
        {"goods\ta\tb\t\n", 0, 0, false},
        {"\ta\tb\t\n", 0, 0, false},
        {"fault\ta\tb\t\nSegmentation fault\nfault\ta\tb\t\n", 0, 1, false},
        {"good\0ta\tb\t\n", 12, 0, false},
        {"good\ta\0x\tb\0y\tc\0z\n", 17, 1, true}, /* a NUL is a control character */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct findings heard = {0};
        size_t length = cases[i].length ? cases[i].length : strlen(cases[i].text);
        assert_int_equal(finding_parse(cases[i].text, length, &heard), cases[i].good);
        assert_int_equal(heard.count, cases[i].kept);
        for (size_t k = 0; k < heard.count; k++)
            assert_true(strlen(heard.items[k].topic) > 0 && strlen(heard.items[k].text) > 0);
        finding_free(&heard);
    }
}

static void test_control_characters_from_another_program(void **state)
{
    static const char text[] = "fault\tt\x1b]0;\x07\ta\x01\x1b[31mb\xc2\x9b\tr\xe2\x80\n";
    struct findings heard = {0};
    (void)state;
    assert_true(finding_parse(text, sizeof text - 1, &heard));
    assert_string_equal(heard.items[0].topic, "t ]0; ");
    assert_string_equal(heard.items[0].text, "a  [31mb??");
    assert_string_equal(heard.items[0].remedy, "r??");
    finding_free(&heard);
}

static void test_many(void **state)
{
    struct findings said = {0}, heard = {0};
    struct buffer text = {0};
    (void)state;
    for (int i = 0; i < 1000; i++)
        finding_add(&said, FINDING_HINT, "many", "%d", i);
    finding_format(&said, &text);
    assert_true(finding_parse(text.data, text.length, &heard));
    assert_int_equal(heard.count, 1000);
    assert_string_equal(heard.items[999].text, "999");
    finding_free(&said);
    finding_free(&heard);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_is_one_line),
        cmocka_unit_test(test_rubbish),
        cmocka_unit_test(test_control_characters_from_another_program),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What postrider check makes of a clock, and how it quotes for a shell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "check/clock.h"
#include "check/rights.h"

enum { DAY = 24 * 60 * 60 };
static const time_t today = 1800000000; /* 2027-01-15 */

static void test_clock(void **state)
{
    static const struct {
        time_t now, file; /* file 0: none */
        enum finding_mark mark;
        const char *word;
    } cases[] = {
        {today, 0, FINDING_GOOD, "2027-01-15 08:00 UTC"},
        {today, today, FINDING_GOOD, "2027-01-15"},
        {today, today + 60, FINDING_GOOD, "2027-01-15"}, /* clocks of file servers */
        {today, today + DAY, FINDING_WARNING, "2027-01-16"},
        {today, 0, FINDING_GOOD, ""},
        {0, 0, FINDING_FAULT, "1970-01-01 00:00 UTC"},
        {1000000000, today, FINDING_FAULT, "2001-09-09"}, /* a battery is empty */
        {(time_t)1 << 62, 0, FINDING_GOOD, "some time"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct findings findings = {0};
        struct newest newest = {0};
        if (cases[i].file)
            newest = (struct newest){strdup("a file"), cases[i].file};
        check_clock(cases[i].now, &newest, &findings);
        assert_int_equal(findings.count, 1);
        assert_int_equal(findings.items[0].mark, cases[i].mark);
        assert_non_null(strstr(findings.items[0].text, cases[i].word));
        assert_int_equal(findings.items[0].remedy != NULL, cases[i].mark != FINDING_GOOD);
        newest_free(&newest);
        finding_free(&findings);
    }
}

static void test_shell_words(void **state)
{
    static const char *const cases[][2] = {
        {"/etc/aliases", "/etc/aliases"},
        {"me@site.tld", "me@site.tld"},
        {"", "''"},
        {"it's", "'it'\\''s'"},
        {"a b", "'a b'"},
        {"$(rm -rf /)", "'$(rm -rf /)'"},
        {"`x`;&|<>*?[]{}!#~\\\"", "'`x`;&|<>*?[]{}!#~\\\"'"},
        {"gr\xc3\xbcn", "'gr\xc3\xbcn'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *word = shell_word(cases[i][0]);
        assert_string_equal(word, cases[i][1]);
        free(word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_shell_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

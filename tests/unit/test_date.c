/* Dates, whatever time zone and locale the caller has. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/date.h"

static void expect(const char *zone, time_t when, const char *date)
{
    struct buffer text = {0};
    assert_int_equal(setenv("TZ", zone, 1), 0);
    date_format(when, &text);
    assert_string_equal(buffer_text(&text), date);
    buffer_free(&text);
}

static void test_rfc5322(void **state)
{
    (void)state;
    expect("UTC0", 0, "Thu, 1 Jan 1970 00:00:00 +0000");
    expect("CET-1", 1793694600, "Tue, 3 Nov 2026 09:30:00 +0100");
    expect("XST3:30", 1793694600, "Tue, 3 Nov 2026 05:00:00 -0330");
    expect("XST0:30", 1793694600, "Tue, 3 Nov 2026 08:00:00 -0030");
    expect("NPT-5:45", 951782400, "Tue, 29 Feb 2000 05:45:00 +0545");
}

static void test_S6_hostile_zone_and_locale(void **state)
{
    (void)state;
    setlocale(LC_ALL, "");
    expect("::::", 0, "Thu, 1 Jan 1970 00:00:00 +0000");
    expect(":/dev/null", 0, "Thu, 1 Jan 1970 00:00:00 +0000");
}

static void test_Q4_times_out_of_reach(void **state)
{
    (void)state;
    struct buffer text = {0};
    setenv("TZ", "UTC0", 1);
    date_format((time_t)INT64_MAX, &text);
    assert_string_equal(buffer_text(&text), "Thu, 1 Jan 1970 00:00:00 +0000");
    buffer_free(&text);
    expect("UTC0", -1, "Wed, 31 Dec 1969 23:59:59 +0000");
    expect("UTC0", 253402300800, "Sat, 1 Jan 10000 00:00:00 +0000");
}

static void test_mbox(void **state)
{
    (void)state;
    struct buffer text = {0};
    setenv("TZ", "CET-1", 1);
    buffer_append_text(&text, "From a@b ");
    date_format_mbox(1793694600, &text);
    assert_string_equal(buffer_text(&text), "From a@b Tue Nov  3 08:30:00 2026");
    buffer_free(&text);
}

static void test_finding_one(void **state)
{
    static const struct {
        const char *text;
        time_t when; /* -1: there is none */
    } cases[] = {
        {"mx.example ESMTP Exim 4.96 Tue, 03 Nov 2026 09:30:00 +0100", 1793694600},
        {"mx.example ESMTP Sendmail 8.17/8.17; Tue, 3 Nov 2026 08:30:00 GMT", 1793694600},
        {"3 Nov 2026 05:00:00 -0330 (XST)", 1793694600},
        {"mx.example ESMTP 3 Nov 2026", -1},
        {"99 Xyz 2026 09:30:00 +0100", -1},
        {"3 Nov 2026 09:30:00 +1e00", -1},
        {"3 Nov 2026 09:30:00 CEST", -1},
        {"3 Nov 1026 09:30:00 +0100", -1},
        {"", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        time_t when = -1;
        assert_int_equal(date_find(cases[i].text, &when), cases[i].when >= 0);
        assert_int_equal(when, cases[i].when);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc5322),
        cmocka_unit_test(test_S6_hostile_zone_and_locale),
        cmocka_unit_test(test_Q4_times_out_of_reach),
        cmocka_unit_test(test_mbox),
        cmocka_unit_test(test_finding_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

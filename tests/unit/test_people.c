/* What the front door shows to people and programs: JSON, terminals, counts, and verbs' options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

#include "sendmail/census.h"
#include "base/json.h"
#include "sendmail/log_reader.h"
#include "sendmail/options.h"
#include "base/terminal.h"
#include "sendmail/verb.h"

static void test_json_strings(void **state)
{
    static const struct {
        const char *text, *json;
    } cases[] = {
        {NULL, "null"},
        {"", "\"\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\x01\n\x1b\x7f", "\"\\u0001\\u000a\\u001b\\u007f\""},
        {"gr\xc3\xbcn \xf0\x9f\x93\xac", "\"gr\xc3\xbcn \xf0\x9f\x93\xac\""},
        {"\xff\xc3(", "\"\xef\xbf\xbd\xef\xbf\xbd(\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* a surrogate */
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
        {"\xf0\x9f\x93", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* cut */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer json = {0};
        json_string(&json, cases[i].text);
        assert_string_equal(json.data, cases[i].json);
        buffer_free(&json);
    }
}

static void test_json_objects(void **state)
{
    struct buffer json = {0};
    (void)state;
    buffer_append_byte(&json, '{');
    json_text(&json, "a", "x{");
    json_number(&json, "b", -5);
    json_flag(&json, "c", true);
    json_time(&json, "d", 0);
    json_time(&json, "e", 7);
    json_name(&json, "f");
    buffer_append_byte(&json, '[');
    json_next(&json);
    json_string(&json, "1");
    json_next(&json);
    json_string(&json, "2");
    buffer_append_text(&json, "]}");
    assert_string_equal(
        json.data, "{\"a\":\"x{\",\"b\":-5,\"c\":true,\"d\":null,\"e\":7,\"f\":[\"1\",\"2\"]}");
    buffer_free(&json);
}

static void test_terminal_text(void **state)
{
    static const struct {
        const char *text, *clean;
    } cases[] = {
        {"plain gr\xc3\xbcn", "plain gr\xc3\xbcn"},
        {"\x1b[2J\r\n\t\x07\x7f", "?[2J?????"},
        {"\xc2\x9b"
         "31m",
         "?31m"}, /* CSI as C1 */
        {"\x9b"
         "31m",
         "?31m"}, /* as a bare byte */
        {"a\xe2\x80\xae"
         "b",
         "a?b"}, /* right-to-left override */
        {"\xe2\x81\xa6"
         "x",
         "?x"},                           /* isolate */
        {"\xe2\x80\x94", "\xe2\x80\x94"}, /* a dash is one */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *clean = terminal_text(cases[i].text);
        assert_string_equal(clean, cases[i].clean);
        free(clean);
    }
    static const struct {
        const char *text;
        size_t width;
    } widths[] = {
        {"", 0},
        {"gr\xc3\xbcn", 4},
        {"u\xcc\x88", 1},                            /* u and a diaeresis to be put on it */
        {"\xe6\x97\xa5\xe6\x9c\xac", 4},             /* two ideographs */
        {"\xef\xbc\xa1", 2},                         /* a fullwidth letter */
        {"\xf0\x9f\x93\xac.", 3},                    /* a letter box */
        {"\xe0\xb8\x81\xe0\xb8\xb5\xe0\xb9\x89", 1}, /* Thai with a vowel and a tone above */
        {"a\xff", 2},                                /* not clean: never endless */
    };
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
        assert_int_equal(terminal_width(widths[i].text), widths[i].width);
    struct buffer body = {0};
    terminal_put(&body, "a\n\tb\x1b\0c", 7, true);
    assert_string_equal(body.data, "a\n\tb??c");
    buffer_free(&body);
}

static struct letter_recipient to(const char *domain, enum progress progress)
{
    return (struct letter_recipient){.address = {.local = (char *)"a", .domain = (char *)domain},
                                     .progress = progress};
}

static void test_census(void **state)
{
    struct census census = {.hostname = "here.example", .now = 1000000};
    struct letter_recipient recipients[] = {
        to("a.example", PROGRESS_PENDING), to("b.example", PROGRESS_PENDING),
        to("a.example", PROGRESS_PENDING), to("c.example", PROGRESS_DELIVERED),
        to(NULL, PROGRESS_PENDING),
    };
    struct letter letter = {.id = "one", .recipients = recipients, .count = 5};
    (void)state;
    letter.envelope.arrived = 1000000 - 300; /* exactly five minutes are no longer "up to five" */
    census_add(&census, &letter, 0);
    letter.held = true;
    letter.count = 1;
    letter.envelope.arrived = 1000000 - 299;
    census_add(&census, &letter, 5);
    letter.held = false;
    letter.envelope.arrived = 2000000;
    census_add(&census, &letter, 1000060);
    census_add(&census, NULL, 0);
    census_sort(&census);

    assert_int_equal(census.total.messages, 3);
    assert_int_equal(census.total.ages[0], 2);
    assert_int_equal(census.total.ages[1], 1);
    assert_string_equal(census.oldest_id, "one");
    assert_int_equal(census.due, 1);
    assert_int_equal(census.held, 1);
    assert_int_equal(census.unreadable, 1);
    assert_int_equal(census.next, 1000060);
    assert_int_equal(census.count, 3);
    assert_string_equal(census.rows[0].domain, "a.example");
    assert_int_equal(census.rows[0].messages, 3);
    assert_int_equal(census.rows[0].oldest, 1000000 - 300);
    assert_string_equal(census.rows[1].domain, "b.example");
    assert_string_equal(census.rows[2].domain, "here.example");
    census_free(&census);
}

static void test_log_pairs(void **state)
{
    char line[] = "to=<a@b> reason=\"said \\\"no\\\" = \\\\\" empty=\"\" last=x";
    static const char *const pairs[][2] = {
        {"to", "<a@b>"}, {"reason", "said \"no\" = \\"}, {"empty", ""}, {"last", "x"}};
    char *rest = line, *key, *value;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(log_next_pair(&rest, &key, &value));
        assert_string_equal(key, pairs[i][0]);
        assert_string_equal(value, pairs[i][1]);
    }
    assert_false(log_next_pair(&rest, &key, &value));
    char cut[] = "reason=\"no end";
    rest = cut;
    assert_true(log_next_pair(&rest, &key, &value));
    assert_string_equal(value, "no end");
    char quote[] = "reason=\"ends in \\";
    rest = quote;
    assert_true(log_next_pair(&rest, &key, &value));
    assert_string_equal(value, "ends in \\");
}

static void test_verb_options(void **state)
{
    char *argv[] = {"queue",  "list",   "--domain", "a.example", "--domain=b.example",
                    "-Cfile", "--json", "--",       "--all",     NULL};
    struct verb_options options;
    (void)state;
    struct outcome outcome =
        verb_parse(9, argv, VERB_ARGUMENTS | VERB_DOMAIN | VERB_JSON, &options);
    assert_true(outcome_good(&outcome));
    assert_string_equal(options.config, "file");
    assert_int_equal(options.domains.count, 2);
    assert_string_equal(options.domains.items[1], "b.example");
    assert_int_equal(options.arguments.count, 2);
    assert_string_equal(options.arguments.items[1], "--all");
    verb_free(&options);
    outcome = verb_parse(9, argv, VERB_ARGUMENTS | VERB_DOMAIN, &options);
    assert_int_equal(outcome.exit_status, EX_USAGE);
    verb_free(&options);
}

static void test_queue_filters(void **state)
{
    char *argv[] = {"sendmail", "-qRa.example", "-q!Sops", "-v", "-qI1", NULL};
    struct options options;
    (void)state;
    struct outcome outcome = options_parse(5, argv, MODE_SUBMIT, &options);
    assert_true(outcome_good(&outcome));
    assert_int_equal(options.mode, MODE_RUN);
    assert_int_equal(options.filter_count, 3);
    assert_int_equal(options.filters[1].kind, 'S');
    assert_true(options.filters[1].negated);
    assert_string_equal(options.filters[1].part, "ops");
    assert_string_equal(options.filters[2].part, "1");
    options_free(&options);
    char *remove[] = {"sendmail", "-v", "-Mrm", "x", "y", NULL};
    outcome = options_parse(5, remove, MODE_SUBMIT, &options);
    assert_true(outcome_good(&outcome) && options.mode == MODE_DELETE);
    assert_int_equal(options.argument_count, 2);
    options_free(&options);
    char *retry[] = {"sendmail", "-M", "x", "-v", NULL};
    outcome = options_parse(4, retry, MODE_SUBMIT, &options);
    assert_true(outcome_good(&outcome) && options.mode == MODE_RETRY && options.verbose);
    assert_string_equal(options.id, "x");
    options_free(&options);
}

static void test_folding(void **state)
{
    static const struct {
        const char *text, *folded;
        size_t columns, indent;
    } cases[] = {
        {"", "", 20, 2},
        {"one two", "one two", 9, 2},
        {"one two", "one\n  two", 8, 2},
        {"  one   two  three ", "one two\nthree", 9, 0},
        {"gr\xc3\xbcn gr\xc3\xbcn", "gr\xc3\xbcn gr\xc3\xbcn", 9, 0}, /* characters, not bytes */
        {"a averyverylongword b", "a\n averyverylongword\n b", 6, 1},
        {"averyverylongword b", "averyverylongword\n b", 6, 1},
        {"a b", "a\n        b", 3, 8}, /* hopeless */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer folded = {0};
        terminal_fold(&folded, cases[i].text, cases[i].columns, cases[i].indent);
        assert_string_equal(buffer_text(&folded), cases[i].folded);
        buffer_free(&folded);
    }
}

static void test_locales(void **state)
{
    static const struct {
        const char *all, *kind, *language;
        bool utf8;
    } cases[] = {
        {NULL, NULL, NULL, false},
        {NULL, NULL, "C", false},
        {NULL, NULL, "C.UTF-8", true},
        {NULL, NULL, "de_DE.utf8", true},
        {NULL, NULL, "de_DE.UTF-8@euro", true},
        {NULL, "C", "de_DE.UTF-8", false},
        {"", "C.UTF-8", "C", true},
        {"C", "C.UTF-8", "C.UTF-8", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *values[] = {cases[i].all, cases[i].kind, cases[i].language};
        static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
        for (size_t k = 0; k < 3; k++)
            if (!values[k])
                unsetenv(names[k]);
            else
                setenv(names[k], values[k], 1);
        assert_int_equal(terminal_is_utf8(), cases[i].utf8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_strings),  cmocka_unit_test(test_json_objects),
        cmocka_unit_test(test_terminal_text), cmocka_unit_test(test_census),
        cmocka_unit_test(test_log_pairs),     cmocka_unit_test(test_verb_options),
        cmocka_unit_test(test_queue_filters), cmocka_unit_test(test_folding),
        cmocka_unit_test(test_locales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

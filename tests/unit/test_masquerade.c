/* Rules for senders, and what they do to a field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "mail/masquerade.h"

static struct masquerade rules;

static int read_rules(void **state)
{
    (void)state;
    struct texts texts = {0};
    texts_add(&texts, "cron@*: alerts@example.org");
    texts_add(&texts, "Root@here.example: \"the root\"@example.org");
    texts_add(&texts, "*@here.example: here@example.org");
    texts_add(&texts, "alerts@example.org: never@example.org");
    masquerade_read(&texts, &rules);
    texts_free(&texts);
    return rules.count == 4 ? 0 : -1;
}

static int free_rules(void **state)
{
    (void)state;
    masquerade_free(&rules);
    return 0;
}

static const char *find(const char *text)
{
    static char found[256];
    struct address address = {0};
    const char *why;
    if (*text)
        assert_true(address_parse(text, &address, &why));
    const struct address *other = masquerade_find(&rules, &address);
    char *name = other ? address_text(other) : NULL;
    snprintf(found, sizeof found, "%s", name ? name : "itself");
    free(name);
    address_free(&address);
    return found;
}

static void test_first_rule_counts(void **state)
{
    (void)state;
    assert_string_equal(find("cron@here.example"), "alerts@example.org");
    assert_string_equal(find("CRON@elsewhere.example"), "alerts@example.org");
    assert_string_equal(find("root@HERE.example"), "\"the root\"@example.org");
    assert_string_equal(find("ada@here.example"), "here@example.org");
    assert_string_equal(find("ada@sub.here.example"), "itself");
    assert_string_equal(find("xcron@there.example"), "itself");
    assert_string_equal(find(""), "itself");
}

static void test_nothing_without_rules(void **state)
{
    (void)state;
    struct masquerade none = {0};
    struct address address = {.local = (char *)"cron", .domain = (char *)"here.example"};
    assert_null(masquerade_find(&none, &address));
}

static void expect_field(const char *before, const char *after)
{
    struct header header = {0};
    struct buffer text = {0};
    for (const char *line = before; *line; line += strcspn(line, "\n") + 1)
        assert_true(header_take_line(&header, line, strcspn(line, "\n") + 1));
    masquerade_field(&rules, &header, 0);
    header_format(&header, &text);
    assert_string_equal(buffer_text(&text), after);
    buffer_free(&text);
    header_free(&header);
}

static void test_names_and_comments_stay(void **state)
{
    (void)state;
    expect_field("From: cron@x\n", "From: alerts@example.org\n");
    expect_field("From:cron@x (Cron Daemon)\n", "From:alerts@example.org (Cron Daemon)\n");
    expect_field("From: \"Cron, the Daemon\" <cron@x>\n",
                 "From: \"Cron, the Daemon\" <alerts@example.org>\n");
    expect_field(
        "From: =?utf-8?q?Cron?=\n\t<cron (c) @ x>, Ada <ada@elsewhere>,\n root@here.example\n",
        "From: =?utf-8?q?Cron?=\n\t<alerts@example.org>, Ada <ada@elsewhere>,\n "
        "\"the root\"@example.org\n");
    expect_field("From: team: cron@x, ada@y;\n", "From: team: alerts@example.org, ada@y;\n");
    expect_field("From: \"cron@x\" <ada@y>\n", "From: \"cron@x\" <ada@y>\n");
}

static void test_what_does_not_parse_stays(void **state)
{
    (void)state;
    expect_field("From: cron@x <cron@x\n", "From: cron@x <cron@x\n");
    expect_field("From: \n", "From: \n");
    expect_field("From: cron@x, two words\n", "From: cron@x, two words\n");
}

/* What grows over 998 bytes is folded between the addresses, and says the same. */
static void test_long_field_is_folded(void **state)
{
    (void)state;
    struct header header = {0};
    struct buffer line = {0}, text = {0};
    buffer_append_text(&line, "From: ");
    for (int i = 0; i < 100; i++)
        buffer_append_text(&line, i ? ", cron@x" : "cron@x");
    buffer_append_byte(&line, '\n');
    assert_true(line.length < LINE_LONGEST);
    assert_true(header_take_line(&header, line.data, line.length));
    masquerade_field(&rules, &header, 0);
    header_format(&header, &text);
    size_t folds = 0;
    for (const char *at = text.data; *at; at += strcspn(at, "\n") + 1) {
        assert_true(strcspn(at, "\n") <= LINE_LONGEST);
        folds += at != text.data;
        if (at != text.data)
            assert_true(strncmp(at, " alerts@example.org", 19) == 0);
    }
    assert_true(folds > 0);
    struct addresses list = {0};
    const char *why;
    assert_true(addresses_parse(text.data + 5, &list, &why));
    assert_int_equal(list.count, 100);
    addresses_free(&list);
    buffer_free(&line);
    buffer_free(&text);
    header_free(&header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_rule_counts),
        cmocka_unit_test(test_nothing_without_rules),
        cmocka_unit_test(test_names_and_comments_stay),
        cmocka_unit_test(test_what_does_not_parse_stays),
        cmocka_unit_test(test_long_field_is_folded),
    };
    return cmocka_run_group_tests(tests, read_rules, free_rules);
}

/* The envelope: recipients once each, NOTIFY and xtext. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "mail/envelope.h"

static struct address address_of(const char *text)
{
    struct address address;
    const char *why;
    assert_true(address_parse(text, &address, &why));
    return address;
}

static void test_recipients_once_each(void **state)
{
    (void)state;
    struct envelope envelope = {0};
    envelope_add(&envelope, address_of("a@b"), NOTIFY_NEVER, "rfc822;a@b");
    envelope_add(&envelope, address_of("\"a\"@B"), NOTIFY_SUCCESS, NULL);
    envelope_add(&envelope, address_of("A@b"), 0, NULL);
    envelope_add(&envelope, address_of("a"), 0, NULL);
    assert_int_equal(envelope.count, 3);
    assert_int_equal(envelope.recipients[0].notify, NOTIFY_NEVER);
    assert_string_equal(envelope.recipients[0].orcpt, "rfc822;a@b");
    assert_null(envelope.recipients[1].orcpt);
    envelope.sender = address_of("s@t");
    envelope.envid = memory_copy("x", 1);
    envelope.user = memory_copy("u", 1);
    envelope_free(&envelope);
    assert_int_equal(envelope.count, 0);
    envelope_free(&envelope);
}

static void test_recipients_moved_by_hand(void **state)
{
    (void)state;
    struct envelope envelope = {0};
    envelope_add(&envelope, address_of("a@b"), 0, NULL);
    envelope_add(&envelope, address_of("c@d"), 0, NULL);
    address_free(&envelope.recipients[1].address);
    envelope.count = 1;
    envelope_add(&envelope, address_of("c@d"), 0, NULL);
    envelope_add(&envelope, address_of("a@b"), 0, NULL);
    assert_int_equal(envelope.count, 2);
    envelope_free(&envelope);
}

static void test_Q8_many_recipients(void **state)
{
    (void)state;
    struct envelope envelope = {0};
    int64_t begin = clock_ms();
    for (int i = 0; i < 200000; i++) {
        char text[32];
        snprintf(text, sizeof text, "user%d", i % 100000);
        struct address address = {.local = memory_copy(text, strlen(text)),
                                  .domain = memory_copy("example.org", 11)};
        envelope_add(&envelope, address, 0, NULL);
    }
    assert_int_equal(envelope.count, 100000);
    assert_true(clock_ms() - begin < 10000);
    envelope_free(&envelope);
}

static void test_notify(void **state)
{
    (void)state;
    unsigned notify = 99;
    assert_true(notify_parse("failure,Delay", &notify));
    assert_int_equal(notify, NOTIFY_FAILURE | NOTIFY_DELAY);
    assert_string_equal(notify_text(notify), "FAILURE,DELAY");
    assert_true(notify_parse("NEVER", &notify));
    assert_string_equal(notify_text(notify), "NEVER");
    assert_string_equal(notify_text(0), "");
    const char *const bad[] = {"",       "never,delay", "success,",      ",success",
                               "succes", "successs",    "success;delay", " success"};
    notify = 99;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(notify_parse(bad[i], &notify));
    assert_int_equal(notify, 99);
}

static void expect_xtext(const char *text, const char *plain)
{
    struct buffer decoded = {0};
    buffer_append_text(&decoded, ">");
    assert_int_equal(xtext_parse(text, &decoded), plain != NULL);
    assert_string_equal(decoded.data + 1, plain ? plain : "");
    buffer_free(&decoded);
}

static void test_L5_xtext(void **state)
{
    (void)state;
    expect_xtext("rfc822;a+2Bb@c+3Dd", "rfc822;a+b@c=d");
    expect_xtext("a+20b", "a b");
    expect_xtext("+C3+BC", "\xC3\xBC");
    expect_xtext("", "");
    expect_xtext("a+0D+0ARCPT", NULL);
    expect_xtext("a+00", NULL);
    expect_xtext("a+7F", NULL);
    expect_xtext("a+", NULL);
    expect_xtext("a+2", NULL);
    expect_xtext("a+2G", NULL);
    expect_xtext("a=b", NULL);
    expect_xtext("a b", NULL);
    expect_xtext("a\n", NULL);
    expect_xtext("\xC3\xBC", NULL);
    expect_xtext("+FF", NULL);

    struct buffer text = {0};
    xtext_format("a+b=c d\n\xC3\xBC~!", &text);
    assert_string_equal(text.data, "a+2Bb+3Dc+20d+0A+C3+BC~!");
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipients_once_each),
        cmocka_unit_test(test_recipients_moved_by_hand),
        cmocka_unit_test(test_Q8_many_recipients),
        cmocka_unit_test(test_notify),
        cmocka_unit_test(test_L5_xtext),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

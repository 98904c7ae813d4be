/* Packets of the milter protocol: what we put together, and what is taken of what comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "filter/milter_packet.h"

#define BYTES(text) text, sizeof(text) - 1

static void assert_bytes(const struct buffer *buffer, const char *bytes, size_t length)
{
    assert_int_equal(buffer->length, length);
    assert_memory_equal(buffer->data, bytes, length);
}

static void test_packets(void **state)
{
    (void)state;
    struct buffer packets = {0};
    milter_put_options(&packets);
    assert_bytes(&packets, BYTES("\0\0\0\rO\0\0\0\6\0\0\1\xff\0\x1f\xf7\xff"));
    buffer_clear(&packets);
    milter_put(&packets, MILTER_ABORT);
    size_t place = milter_open(&packets, MILTER_HELO);
    milter_put_text(&packets, "mx.example");
    milter_close(&packets, place);
    assert_bytes(&packets, BYTES("\0\0\0\1A\0\0\0\fHmx.example\0"));
    assert_int_equal(milter_number("\x01\x02\xff\x04"), 0x0102ff04);
    buffer_free(&packets);
}

static void test_options(void **state)
{
    (void)state;
    static const char whole[] = "\0\0\0\6\0\0\1\x3f\0\x10\4\x01"
                                "\0\0\0\1{tls_version},{cipher}\0"
                                "\0\0\0\5i  j\0"
                                "\0\0\0\x63nowhere\0"
                                "\0\0\0\2";
    struct milter_options options;
    const char *why;
    assert_true(milter_parse_options(whole, sizeof whole, &options, &why));
    assert_int_equal(options.version, 6);
    assert_int_equal(options.actions, 0x13f);
    assert_int_equal(options.steps, 0x100401);
    assert_true(options.asks[STAGE_HELO] && options.asks[STAGE_END] && options.asks[STAGE_MAIL]);
    assert_false(options.asks[STAGE_CONNECT]);
    assert_int_equal(options.macros[STAGE_HELO].count, 2);
    assert_string_equal(options.macros[STAGE_HELO].items[0], "tls_version");
    assert_string_equal(options.macros[STAGE_HELO].items[1], "cipher");
    assert_int_equal(options.macros[STAGE_END].count, 2);
    assert_string_equal(options.macros[STAGE_END].items[1], "j");
    assert_int_equal(options.macros[STAGE_MAIL].count, 0);
    milter_free_options(&options);
    /* Cut anywhere it is no answer, but where a list of macros ends. */
    for (size_t length = 0; length < sizeof whole; length++) {
        bool good = milter_parse_options(whole, length, &options, &why);
        assert_int_equal(good, length == 12 || length == 39 || length == 48 || length == 60);
        milter_free_options(&options);
    }
}

static void test_options_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        const char bytes[13];
        bool good;
    } cases[] = {
        {"\0\0\0\2\0\0\0\x0f\0\0\0\x3f", true},     {"\0\0\0\1\0\0\0\0\0\0\0\0", false},
        {"\0\0\0\7\0\0\0\0\0\0\0\0", false},        {"\0\0\1\6\0\0\0\0\0\0\0\0", false},
        {"\0\0\0\6\0\0\2\0\0\0\0\0", false},        {"\0\0\0\6\x80\0\0\0\0\0\0\0", false},
        {"\0\0\0\6\0\0\0\0\0\x20\0\0", false},      {"\0\0\0\6\0\0\0\0\x80\0\0\0", false},
        {"\0\0\0\6\0\0\1\xff\0\x1f\xff\xff", true}, /* refused recipients are wished for in vain */
        {"\0\0\0\6\0\0\0\0\x30\0\0\0", true},       /* so are larger packets */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct milter_options options;
        const char *why = NULL;
        assert_int_equal(milter_parse_options(cases[i].bytes, 12, &options, &why), cases[i].good);
        assert_true(cases[i].good || why);
        milter_free_options(&options);
    }
}

static void test_replies(void **state)
{
    (void)state;
    static const struct {
        const char *data, *lines; /* NULL: it is none */
        int code;
        const char *status;
    } cases[] = {
        {"550 5.7.1 no", "550 5.7.1 no\n", 550, "5.7.1"},
        {"451 later\r\n", "451 later\n", 451, ""},
        {"421", "421\n", 421, ""},
        {"554-5.7.1 a\r\n554-5.7.1 b\n554 5.7.1 c\r\n", "554-5.7.1 a\n554-5.7.1 b\n554 5.7.1 c\n",
         554, "5.7.1"},
        {"550 4.7.1 other class", "550 4.7.1 other class\n", 550, ""},
        {"550 100%% of %s", "550 100% of %s\n", 550, ""},
        {"550 tab\there\x1b[0m", "550 tab here [0m\n", 550, ""},
        {"550 \xff\xfe", "550 ?\?\n", 550, ""},
        {"", NULL, 0, ""},
        {"250 fine", NULL, 0, ""},
        {"354 go", NULL, 0, ""},
        {"650 no", NULL, 0, ""},
        {"55 no", NULL, 0, ""},
        {"5500 no", NULL, 0, ""},
        {"550-more", NULL, 0, ""},
        {"550-a\r\n551 b", NULL, 0, ""},
        {"550 a\r\n550 b", NULL, 0, ""},
        {"550-a\r\n\r\n550 b", NULL, 0, ""},
        {"no", NULL, 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reply reply = {0};
        const char *why = NULL;
        bool good = milter_parse_reply(cases[i].data, strlen(cases[i].data) + 1, &reply, &why);
        assert_int_equal(good, cases[i].lines != NULL);
        if (good) {
            assert_string_equal(buffer_text(&reply.lines), cases[i].lines);
            assert_int_equal(reply.code, cases[i].code);
            assert_string_equal(reply.status, cases[i].status);
        }
        reply_free(&reply);
        /* Without its NUL it is none. */
        assert_false(milter_parse_reply(cases[i].data, strlen(cases[i].data), &reply, &why));
        reply_free(&reply);
    }
}

static void test_long_replies(void **state)
{
    (void)state;
    struct buffer data = {0};
    struct reply reply = {0};
    const char *why;
    buffer_format(&data, "550 %02000d", 7);
    assert_true(milter_parse_reply(data.data, data.length + 1, &reply, &why));
    assert_int_equal(reply.lines.length, MILTER_REPLY_LINE_LONGEST + 1);
    buffer_clear(&data);
    for (int i = 1; i < MILTER_REPLY_LINES; i++)
        buffer_append_text(&data, "550-x\r\n");
    size_t before = data.length;
    buffer_append_text(&data, "550 x");
    assert_true(milter_parse_reply(data.data, data.length + 1, &reply, &why));
    data.length = before;
    buffer_append_text(&data, "550-x\r\n550 x");
    assert_false(milter_parse_reply(data.data, data.length + 1, &reply, &why));
    buffer_free(&data);
    reply_free(&reply);
}

static void test_changes(void **state)
{
    (void)state;
    struct milter_change change;
    const char *why;
    assert_true(milter_parse_change('m', BYTES("\0\0\0\2Subject\0new\0"), &change, &why));
    assert_int_equal(change.index, 2);
    assert_string_equal(change.name, "Subject");
    assert_string_equal(change.value, "new");
    assert_true(milter_parse_change('h', BYTES("X\0\0"), &change, &why));
    assert_string_equal(change.value, "");
    assert_true(milter_parse_change('e', BYTES("<a@b>\0"), &change, &why));
    assert_null(change.parameters);
    assert_true(milter_parse_change('2', BYTES("<a@b>\0NOTIFY=NEVER\0"), &change, &why));
    assert_string_equal(change.parameters, "NOTIFY=NEVER");
    assert_true(milter_parse_change('q', BYTES("\0"), &change, &why));
}

static void test_changes_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        char kind;
        const char *data;
        size_t length;
    } cases[] = {
        {'m', BYTES("\0\0\0")},
        {'m', BYTES("\0\0\0\1X\0")},
        {'h', BYTES("X\0y")},
        {'h', BYTES("\0y\0")},
        {'h', BYTES("X:\0y\0")},
        {'h', BYTES("X y\0z\0")},
        {'h', BYTES("X\ny\0z\0")},
        {'h', BYTES("\xc3\xbc\0z\0")},
        {'h', BYTES("X\0y\0z\0")},
        {'+', BYTES("<a@b>\0more\0")},
        {'-', BYTES("<a@b>")},
        {'2', BYTES("<a@b>\0x")},
        {'e', BYTES("<a@b>\0x\0y\0")},
        {'q', BYTES("")},
        {'b', BYTES("body")},
        {'c', BYTES("")},
        {'\0', BYTES("")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct milter_change change;
        const char *why = NULL;
        assert_false(
            milter_parse_change(cases[i].kind, cases[i].data, cases[i].length, &change, &why));
        assert_non_null(why);
    }
    for (int kind = 0; kind < 256; kind++)
        assert_int_equal(milter_is_change((char)kind), kind && strchr("+-2behimq", kind) != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packets),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_options_that_cannot_be),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_long_replies),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_changes_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

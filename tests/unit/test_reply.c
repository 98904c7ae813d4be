/* SMTP replies: the parser's bounds, enhanced codes, what they mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/reply.h"

/* Adds the lines; false when one was refused, with the reason in *why. */
static bool add_all(struct reply *reply, const char *const *lines, const char **why)
{
    bool last = false;
    for (; *lines; lines++) {
        assert_false(last);
        if (!reply_add(reply, *lines, strlen(*lines), &last, why))
            return false;
    }
    assert_true(last);
    return true;
}

static struct outcome meaning(const char *line)
{
    struct reply reply = {0};
    const char *why;
    assert_true(add_all(&reply, (const char *const[]){line, NULL}, &why));
    struct outcome outcome = reply_outcome(&reply, "mx.example", "after RCPT");
    reply_free(&reply);
    return outcome;
}

static void test_lines(void **state)
{
    (void)state;
    struct reply reply = {0};
    const char *why, *text;
    size_t length;
    const char *const lines[] = {"250-mx.example\r\n", "250-SIZE 10\n", "250 HELP", NULL};
    assert_true(add_all(&reply, lines, &why));
    assert_int_equal(reply.code, 250);
    assert_int_equal(reply.count, 3);
    text = reply_line(&reply, 1, &length);
    assert_int_equal(length, 7);
    assert_memory_equal(text, "SIZE 10", 7);
    assert_null(reply_line(&reply, 3, &length));
    reply_free(&reply);
}

static void test_a_bare_code(void **state)
{
    (void)state;
    struct outcome outcome = meaning("250");
    assert_int_equal(outcome.result, DONE);
    assert_string_equal(outcome.status, "2.0.0");
    assert_string_equal(outcome.reason, "mx.example said after RCPT: 250");
}

static void test_meanings(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum result result;
        const char *status;
    } cases[] = {
        {"250 2.1.5 ok", DONE, "2.1.5"},         {"251 will forward", DONE, "2.0.0"},
        {"450 4.2.1 busy", LATER, "4.2.1"},      {"451 busy", LATER, "4.0.0"},
        {"550 5.1.1 unknown", NEVER, "5.1.1"},   {"554 no", NEVER, "5.0.0"},
        {"550 4.1.1 lies", NEVER, "5.0.0"},      {"450 5.1.1 lies", LATER, "4.0.0"},
        {"550 5.1 short", NEVER, "5.0.0"},       {"550 5.1.1234 long", NEVER, "5.0.0"},
        {"550 5.1.1", NEVER, "5.1.1"},           {"550 5.1.1,5 comma", NEVER, "5.0.0"},
        {"550 5.123.123 x", NEVER, "5.123.123"}, {"354 go", LATER, "4.0.0"},
        {"550 5..1 x", NEVER, "5.0.0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome outcome = meaning(cases[i].line);
        assert_int_equal(outcome.result, cases[i].result);
        assert_string_equal(outcome.status, cases[i].status);
    }
}

static void test_one_line_of_words(void **state)
{
    (void)state;
    struct reply reply = {0};
    const char *why;
    const char *const lines[] = {"550-5.1.1 The user", "550-5.1.1 is not\there;", "550 5.1.1",
                                 NULL};
    assert_true(add_all(&reply, lines, &why));
    struct outcome outcome = reply_outcome(&reply, "mx.example", "after RCPT");
    assert_string_equal(outcome.reason,
                        "mx.example said after RCPT: 550 5.1.1 The user is not here;");
    outcome = reply_later(&reply, "mx.example", "after AUTH", NULL);
    assert_int_equal(outcome.result, LATER);
    assert_string_equal(outcome.status, "4.1.1");
    outcome = reply_later(&reply, "mx.example", "after AUTH", "4.7.8");
    assert_string_equal(outcome.status, "4.7.8");
    reply_free(&reply);
}

/* A terminal, or whoever reads the log with one, cannot be steered from afar. */
static void test_words_that_steer_a_terminal(void **state)
{
    (void)state;
    struct outcome outcome = meaning("550 a\033[2Jb\302\2332Jc\2332Jd \303\244 \342\202\254 \303");
    assert_string_equal(outcome.reason, "mx.example said after RCPT: 550 a [2Jb??2Jc?2Jd \303\244 "
                                        "\342\202\254 ?");
}

static void test_C4_improper_lines(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "2",      "25",     "hello",  "150 x",
                                      "650 x", "2x0 x",  "250x",   "250\tx", "250 a\rb",
                                      "\r\n",  "-250 x", "25 0 x", " 250 x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct reply reply = {0};
        const char *why = NULL;
        bool last;
        assert_false(reply_add(&reply, bad[i], strlen(bad[i]), &last, &why));
        assert_non_null(why);
        reply_free(&reply);
    }
    struct reply reply = {0};
    const char *why;
    bool last;
    assert_false(reply_add(&reply, "250 a\0b", 7, &last, &why));
    assert_string_equal(why, "a NUL in it");
    reply_free(&reply);
}

static void test_C4_code_that_changes(void **state)
{
    (void)state;
    struct reply reply = {0};
    const char *why;
    assert_false(add_all(&reply, (const char *const[]){"250-a", "251 b", NULL}, &why));
    assert_string_equal(why, "a reply code that changes within the reply");
    reply_free(&reply);
}

static void test_C4_bounds(void **state)
{
    (void)state;
    struct reply reply = {0};
    const char *why = NULL;
    bool last;
    for (int i = 0; i < REPLY_LINES; i++)
        assert_true(reply_add(&reply, "250-x", 5, &last, &why));
    assert_false(reply_add(&reply, "250 x", 5, &last, &why));
    assert_string_equal(why, "too many lines");
    reply_free(&reply);

    static char line[REPLY_LINE + 1];
    memset(line, 'x', sizeof line);
    memcpy(line, "250-", 4);
    assert_false(reply_add(&reply, line, sizeof line, &last, &why));
    int count = 0;
    while (reply_add(&reply, line, REPLY_LINE, &last, &why))
        count++;
    assert_string_equal(why, "too many bytes");
    assert_int_equal(count, REPLY_ALL / (REPLY_LINE + 1));
    reply_free(&reply);
}

static struct outcome read_from(const char *data, size_t length, struct reply *reply)
{
    int ends[2];
    struct stream stream;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(write(ends[1], data, length), (ssize_t)length);
    close(ends[1]);
    stream_open(&stream, ends[0]);
    stream_allow(&stream, 2000);
    struct outcome outcome = reply_read(&stream, reply, "mx.example", "after MAIL");
    stream_close(&stream);
    return outcome;
}

static void test_reading(void **state)
{
    (void)state;
    struct reply reply = {0};
    static const char good[] = "250-a\r\n250 b\r\nrest";
    struct outcome outcome = read_from(good, sizeof good - 1, &reply);
    assert_int_equal(outcome.result, DONE);
    assert_string_equal(buffer_text(&reply.lines), "250-a\n250 b\n");

    /* Cut off: no reply, however good it looks. */
    outcome = read_from("250 ok", 6, &reply);
    assert_int_equal(outcome.result, LATER);
    assert_string_equal(outcome.reason, "mx.example closed the connection after MAIL");
    outcome = read_from("250-a\r\n", 7, &reply);
    assert_int_equal(outcome.result, LATER);
    outcome = read_from("250-a\r\nwhat\r\n", 13, &reply);
    assert_string_equal(outcome.reason,
                        "mx.example sent an improper reply after MAIL, with no reply code");
    static char flood[10000];
    memset(flood, '2', sizeof flood);
    outcome = read_from(flood, sizeof flood, &reply);
    assert_string_equal(
        outcome.reason,
        "mx.example sent an improper reply after MAIL, with a line that is too long");
    reply_free(&reply);
}

static void expect_found(const char *reason, const char *host, const char *reply)
{
    const char *found_host, *found;
    size_t length;
    assert_int_equal(reply_find(reason, &found_host, &length, &found), host != NULL);
    if (!host)
        return;
    assert_int_equal(length, strlen(host));
    assert_memory_equal(found_host, host, length);
    assert_string_equal(found, reply);
}

static void test_words_taken_apart(void **state)
{
    (void)state;
    expect_found("mx.example said after RCPT: 550 5.1.1 no: 250 x", "mx.example",
                 "550 5.1.1 no: 250 x");
    expect_found("not delivered within 5d: ::1 said after MAIL: 450", "::1", "450");
    expect_found("mx said after x: y: 421 bye", "mx", "421 bye");
    expect_found("mx said nothing: 5505 x", NULL, NULL);
    expect_found(" said after: 550 x", NULL, NULL);
    expect_found("there is no user joe here", NULL, NULL);
    expect_found("", NULL, NULL);

    struct reply reply = {0};
    bool last;
    const char *why;
    assert_true(reply_add(&reply, "550 5.1.1 who?", 14, &last, &why));
    struct outcome outcome = reply_outcome(&reply, "mx.example", "after RCPT");
    expect_found(outcome.reason, "mx.example", "550 5.1.1 who?");
    reply_free(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_a_bare_code),
        cmocka_unit_test(test_meanings),
        cmocka_unit_test(test_one_line_of_words),
        cmocka_unit_test(test_words_that_steer_a_terminal),
        cmocka_unit_test(test_C4_improper_lines),
        cmocka_unit_test(test_C4_code_that_changes),
        cmocka_unit_test(test_C4_bounds),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_words_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Loops by a message's header: hosts and addresses that it has passed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "run/loop.h"

static struct loop_trace read_text(const char *text, size_t length)
{
    char path[] = "/tmp/postrider-loop-XXXXXX";
    struct letter letter = {.fd = mkstemp(path), .start = 3, .size = length};
    assert_true(letter.fd >= 0 && file_write(letter.fd, "xyz", 3));
    assert_true(file_write(letter.fd, text, length));
    unlink(path);
    struct loop_trace trace;
    struct outcome outcome = loop_read(&letter, &trace);
    assert_true(outcome_good(&outcome));
    close(letter.fd);
    return trace;
}

static struct loop_trace trace_of(const char *text)
{
    return read_text(text, strlen(text));
}

static void expect_hosts(const char *text, size_t hosts)
{
    struct loop_trace trace = trace_of(text);
    assert_int_equal(trace.hosts, hosts);
    loop_free(&trace);
}

static void test_L1_hosts(void **state)
{
    (void)state;
    expect_hosts("", 0);
    expect_hosts("\nReceived: x\n", 0);
    expect_hosts("Received: x\nRECEIVED: y\nreceived \t: z\n\nReceived: x\n", 3);
    expect_hosts("Received: x\n Received: y\n\tReceived: z\nX: Received: \n\n", 1);
    expect_hosts("X-Received: x\nReceived-SPF: x\nReceived\n", 0);
    expect_hosts("Received: x\nno field\nReceived: y\n", 1);
    expect_hosts("Received:", 1);
}

/* Lines that are longer than what is read at once are one line all the same. */
static void test_L1_long_lines(void **state)
{
    (void)state;
    size_t length = 300000;
    char *text = malloc(length);
    assert_non_null(text);
    memset(text, 'R', length);
    memcpy(text, "X: ", 3);
    memcpy(text + 150000, "\nReceived: y\n", 13);
    memcpy(text + 280000, "\nReceived: y\n", 13);
    for (size_t i = 1000; i < 140000; i += 11)
        memcpy(text + i, "Received: x", 11);
    memcpy(text + 150013, "Y: ", 3);
    struct loop_trace trace = read_text(text, length);
    assert_int_equal(trace.hosts, 2);
    loop_free(&trace);
    free(text);
}

static void test_limit(void **state)
{
    (void)state;
    struct loop_trace trace = trace_of("Received: x\nReceived: x\n\n");
    struct outcome outcome = loop_check_hosts(&trace, 2);
    assert_true(outcome_good(&outcome));
    outcome = loop_check_hosts(&trace, 1);
    assert_int_equal(outcome.result, NEVER);
    assert_string_equal(outcome.status, "5.4.6");
    loop_free(&trace);
}

static bool loops(const char *header, const char *address)
{
    struct loop_trace trace = trace_of(header);
    struct address parsed;
    const char *why;
    assert_true(address_parse(address, &parsed, &why));
    struct outcome outcome = loop_check_address(&trace, &parsed, "here.example");
    address_free(&parsed);
    loop_free(&trace);
    return outcome.result == NEVER;
}

static void test_addresses(void **state)
{
    (void)state;
    assert_true(loops("Delivered-To: joe@here.example\n", "joe@here.example"));
    assert_true(loops("Delivered-To:Joe@Here.Example\n", "joe"));
    assert_true(loops("delivered-to: joe\n", "JOE@here.example"));
    assert_true(loops("Delivered-To:\n <joe@here.example>\nX: y\n", "joe@here.example"));
    assert_true(loops("Delivered-To: a@b\nX: y\nDelivered-To: joe\n\n", "joe"));
    assert_true(loops("Delivered-To: \"o d\"@here.example\n", "\"o d\"@here.example"));
    assert_false(loops("Delivered-To: joe@here.example\n", "joe@other.example"));
    assert_false(loops("Delivered-To: joe+x@here.example\n", "joe@here.example"));
    assert_false(loops("Delivered-To:\nDelivered-To: ,,\nDelivered-To: <>\n", "joe"));
    assert_false(loops("X-Delivered-To: joe\n", "joe"));
    assert_false(loops("Subject: x\n\nDelivered-To: joe\n", "joe"));
}

static void expect_mark(const char *address, const char *mark)
{
    struct address parsed;
    const char *why;
    struct buffer text = {0};
    assert_true(address_parse(address, &parsed, &why));
    loop_put_mark(&parsed, "here.example", &text);
    assert_string_equal(buffer_text(&text), mark);
    if (*mark)
        assert_true(loops(mark, address));
    buffer_free(&text);
    address_free(&parsed);
}

static void test_mark_is_known_again(void **state)
{
    (void)state;
    expect_mark("joe", "Delivered-To: joe@here.example\n");
    expect_mark("\"a \\\"b\"@x.example", "Delivered-To: \"a \\\"b\"@x.example\n");
    expect_mark("j\xC3\xB6"
                "e@x.example",
                "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_L1_hosts),
        cmocka_unit_test(test_L1_long_lines),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_mark_is_known_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Programs that we start and listen to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/process.h"

static struct outcome capture(const char *script, struct buffer *output, int limit_ms)
{
    char *argv[] = {"/bin/sh", "-c", (char *)script, NULL};
    return process_capture(argv, output, limit_ms);
}

static void test_output_and_status(void **state)
{
    (void)state;
    struct buffer output = {0};
    struct outcome outcome = capture("echo hello", &output, 10000);
    assert_true(outcome_good(&outcome));
    assert_string_equal(buffer_text(&output), "hello\n");
    outcome = capture("exit 3", &output, 10000);
    assert_int_equal(outcome.result, LATER);
    buffer_free(&output);
}

static void assert_cut_off(const char *script)
{
    struct buffer output = {.limit = 100000};
    int64_t begun = clock_ms();
    struct outcome outcome = capture(script, &output, 300);
    assert_int_equal(outcome.result, LATER);
    assert_true(clock_ms() - begun < 20000);
    buffer_free(&output);
}

static void test_limits(void **state)
{
    (void)state;
    assert_cut_off("sleep 60");
    assert_cut_off("exec >&-; sleep 60");
    assert_cut_off("sleep 60 & wait");
    assert_cut_off("while :; do echo more; done");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_and_status),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the end of a command means for the message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "run/alias_command.h"

static void test_statuses(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum result result;
        const char *enhanced;
    } cases[] = {
        {0, DONE, "2.0.0"},   {1, NEVER, "5.3.0"},  {64, NEVER, "5.3.0"},  {65, NEVER, "5.6.0"},
        {66, NEVER, "5.3.0"}, {67, NEVER, "5.1.1"}, {68, NEVER, "5.1.2"},  {69, NEVER, "5.3.0"},
        {70, NEVER, "5.3.0"}, {71, LATER, "4.3.0"}, {72, NEVER, "5.3.0"},  {73, LATER, "4.2.0"},
        {74, LATER, "4.3.0"}, {75, LATER, "4.3.0"}, {76, NEVER, "5.5.0"},  {77, NEVER, "5.7.0"},
        {78, NEVER, "5.3.5"}, {79, NEVER, "5.3.0"}, {127, NEVER, "5.3.0"}, {255, NEVER, "5.3.0"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer reason = {0};
        struct outcome outcome = alias_command_outcome("/bin/x", cases[i].status, "", &reason);
        assert_int_equal(outcome.result, cases[i].result);
        assert_string_equal(outcome.status, cases[i].enhanced);
        buffer_free(&reason);
    }
}

static void test_words(void **state)
{
    (void)state;
    struct buffer reason = {0};
    alias_command_outcome("/bin/x", 75, "try again", &reason);
    assert_string_equal(buffer_text(&reason),
                        "the command /bin/x ended with status 75 (temporary failure): try again");
    buffer_clear(&reason);
    alias_command_outcome("/bin/x", 3, "", &reason);
    assert_string_equal(buffer_text(&reason), "the command /bin/x ended with status 3");
    buffer_clear(&reason);
    /* All of what it said, though an outcome has less room. */
    char output[2001];
    memset(output, 'x', sizeof output - 1);
    output[2000] = '\0';
    struct outcome outcome = alias_command_outcome("/bin/x", 69, output, &reason);
    assert_true(reason.length > 2000);
    assert_true(strlen(outcome.reason) < sizeof outcome.reason);
    buffer_free(&reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_statuses),
                                       cmocka_unit_test(test_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

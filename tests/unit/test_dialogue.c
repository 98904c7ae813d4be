/* The dialogue that is shown, and a reader who reads nothing. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/dialogue.h"

/* Room for some of a line lets the write begin, and not end. */
static void test_a_reader_who_stops_holds_nobody_up(void **state)
{
    (void)state;
    static char line[1 << 20], read_back[1 << 20]; /* more than any pipe of a page */
    int ends[2], out = dup(STDOUT_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) > 0);
    assert_true(out >= 0 && dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO);
    memset(line, 'x', sizeof line - 1);
    dialogue_line(NULL, '>', "HELO a");
    ssize_t first = read(ends[0], read_back, sizeof read_back);
    dialogue_line(NULL, '<', line);
    ssize_t part = read(ends[0], read_back + first, sizeof read_back - (size_t)first);
    dialogue_line(NULL, '>', "QUIT");
    dup2(out, STDOUT_FILENO);
    close(ends[1]);
    close(out);
    assert_int_equal(first, strlen(">>> HELO a\n"));
    assert_memory_equal(read_back, ">>> HELO a\n", (size_t)first);
    assert_true(part > 0);
    /* Nor is anything said after what was cut off. */
    assert_int_equal(read(ends[0], read_back, sizeof read_back), 0);
    close(ends[0]);

    /* The timer is gone: it would end us. */
    struct itimerval timer;
    assert_int_equal(getitimer(ITIMER_REAL, &timer), 0);
    assert_int_equal(timer.it_value.tv_sec + timer.it_value.tv_usec + timer.it_interval.tv_usec, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_reader_who_stops_holds_nobody_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

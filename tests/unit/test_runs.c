/* When the listener runs the queue, and what its sessions ask of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "listen/orders.h"
#include "listen/runs.h"
#include "queue/runner.h"

enum { MINUTE = 60 * 1000 };

struct place {
    char folder[64];
    struct queue queue;
    struct settings settings;
    struct runs runs;
};

/* A queue of its own, and settings that cannot be read: what is started ends at once. */
static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->folder, sizeof place->folder, "/tmp/postrider-runs-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    struct outcome outcome = queue_open(place->folder, true, &place->queue);
    assert_true(outcome_good(&outcome));
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    char command[128];
    runs_close(&place->runs);
    queue_close(&place->queue);
    snprintf(command, sizeof command, "rm -r %s", place->folder);
    assert_int_equal(system(command), 0);
    free(place);
    return 0;
}

static void open_runs(struct place *place, uint64_t interval)
{
    struct outcome outcome =
        runs_open(&place->runs, "/nowhere", &place->settings, &place->queue, interval);
    assert_true(outcome_good(&outcome));
}

static void put_file(const struct place *place, const char *name)
{
    int fd = openat(place->queue.spool, name, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
}

/* Its end, told with this status of waitpid; -1: as it was. */
static void reap(struct runs *runs, pid_t pid, int status)
{
    int found;
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &found, 0), pid);
    assert_true(runs_reap(runs, pid, status < 0 ? found : status));
    assert_false(runs_are_at_work(runs));
}

static void test_an_order_once_a_minute(void **state)
{
    struct place *place = *state;
    struct runs *runs = &place->runs;
    open_runs(place, 0);
    runs_advance(runs);
    assert_int_equal(runs_wait(runs), -1);
    runs_ask(runs, "partner.example");
    assert_int_equal(runs_wait(runs), 0);
    runs_advance(runs);
    pid_t first = runs->order;
    assert_true(first > 0);

    /* Another one, and the same once more, while it is at work. */
    runs_ask(runs, "Partner.Example");
    runs_ask(runs, "other.example");
    runs_advance(runs);
    assert_int_equal(runs->order, first);
    reap(runs, first, -1);
    runs_advance(runs);
    assert_true(runs->order > 0 && runs->order != first);
    reap(runs, runs->order, -1);

    /* What was asked for is done when the minute is over, and then once. */
    runs_advance(runs);
    assert_int_equal(runs->order, 0);
    assert_in_range(runs_wait(runs), MINUTE - 5000, MINUTE);
    assert_int_equal(runs->asked_count, 2);
    runs->asked[0].when -= MINUTE;
    assert_int_equal(runs_wait(runs), 0);
    runs_advance(runs);
    reap(runs, runs->order, -1);
    runs_advance(runs);
    assert_int_equal(runs->order, 0);
    assert_int_equal(runs_wait(runs), -1);
}

/* However many domains there are and were, only those of the last minute are kept. */
static void test_orders_of_long_ago_are_forgotten(void **state)
{
    struct place *place = *state;
    struct runs *runs = &place->runs;
    open_runs(place, 0);
    runs_advance(runs);
    for (int i = 0; i < 20; i++) {
        char domain[32];
        snprintf(domain, sizeof domain, "d%d.example", i);
        runs_ask(runs, domain);
        runs_advance(runs);
        reap(runs, runs->order, -1);
        for (size_t k = 0; k < runs->asked_count; k++)
            runs->asked[k].when -= MINUTE / 4;
    }
    assert_true(runs->asked_count <= 5);
}

static void test_a_mark_is_followed_up(void **state)
{
    struct place *place = *state;
    struct runs *runs = &place->runs;
    open_runs(place, 0);
    runs_advance(runs); /* there is none yet */
    assert_int_equal(runs_wait(runs), -1);
    put_file(place, "0123456789abcde");
    runs_advance(runs);
    assert_in_range(runs_wait(runs), 1, 200);
    usleep(150 * 1000);
    runs_advance(runs); /* a message alone, put there by -odq, is none */
    assert_int_equal(runs->runner, 0);
    assert_int_equal(runs_wait(runs), -1);

    put_file(place, RUNNER_MARK);
    runs_advance(runs);
    usleep(150 * 1000);
    runs_advance(runs);
    assert_true(runs->runner > 0);
    assert_int_equal(runs_wait(runs), -1);
    /* It ended well, yet the mark is there: no hurry. */
    reap(runs, runs->runner, 0);
    runs_advance(runs);
    assert_int_equal(runs->runner, 0);
    assert_in_range(runs_wait(runs), 1000, 5000);
    /* A new message hurries it. */
    put_file(place, "0123456789abcdf");
    runs_advance(runs);
    assert_in_range(runs_wait(runs), 1, 200);
    usleep(150 * 1000);
    runs_advance(runs);
    /* Ended with a failure: it is tried again, but not at once. */
    reap(runs, runs->runner, EX_TEMPFAIL << 8);
    runs_advance(runs);
    assert_int_equal(runs->runner, 0);
    assert_in_range(runs_wait(runs), MINUTE - 5000, MINUTE);
}

static void test_by_the_clock_when_something_is_due(void **state)
{
    struct place *place = *state;
    struct runs *runs = &place->runs;
    open_runs(place, 3600);
    assert_int_equal(runs_wait(runs), 0);
    runs_advance(runs); /* nothing is due */
    assert_int_equal(runs->runner, 0);
    assert_in_range(runs_wait(runs), 3595000, 3600000);
    put_file(place, "0123456789abcde");
    runs->next = clock_ms();
    runs_advance(runs);
    assert_true(runs->runner > 0);
    assert_int_equal(runs_wait(runs), -1);
    runs_stop(runs);
    int status;
    pid_t pid = runs->runner;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(runs_reap(runs, pid + 1, status));
    assert_true(runs_reap(runs, pid, status));
}

static void test_orders_are_packets(void **state)
{
    (void)state;
    int ends[2];
    struct order_place place = {.generation = 1, .listener = 2, .domain = 3}, got;
    assert_true(orders_open(ends));
    assert_false(orders_read(ends[0], &got));
    /* What others write, a session that was taken over for one, spoils nothing. */
    char rubbish[100] = {0};
    assert_int_equal(send(ends[1], rubbish, 5, 0), 5);
    assert_int_equal(send(ends[1], rubbish, sizeof rubbish, 0), sizeof rubbish);
    assert_int_equal(send(ends[1], rubbish, 0, 0), 0);
    assert_true(orders_write(ends[1], &place));
    for (int i = 0; i < 3; i++) {
        assert_true(orders_read(ends[0], &got));
        assert_int_equal(got.listener, UINT_MAX);
    }
    assert_true(orders_read(ends[0], &got));
    assert_memory_equal(&got, &place, sizeof got);
    assert_false(orders_read(ends[0], &got));
    /* Nobody waits for a parent that does not read. */
    int count = 0;
    while (orders_write(ends[1], &place))
        assert_true(++count < 100000);
    assert_true(count > 10);
    assert_int_equal(recv(ends[1], rubbish, sizeof rubbish, 0), 0); /* nothing comes back */
    file_close(&ends[0]);
    assert_false(orders_write(ends[1], &place));
    file_close(&ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_order_once_a_minute, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_orders_of_long_ago_are_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_mark_is_followed_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_by_the_clock_when_something_is_due, set_up, tear_down),
        cmocka_unit_test(test_orders_are_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

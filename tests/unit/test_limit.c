/* What a next hop may get: seats, and the exact window of a rate. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "queue/hop.h"
#include "queue/limit.h"

static struct queue queue;
static char folder[] = "/tmp/test_limit.XXXXXX";
static const char hop[] = "mx Example/org";

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    struct outcome outcome = queue_open(folder, true, &queue);
    return outcome_good(&outcome) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    queue_close(&queue);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void forget(void)
{
    unlinkat(queue.hops, "rate-mx_Example_org", 0);
}

/* Domains of 253 bytes, alike but for their ends, are two next hops with two files. */
static void test_long_names_have_files_of_their_own(void **state)
{
    (void)state;
    char one[254], other[254], path[HOP_FILE_NAME], second[HOP_FILE_NAME];
    memset(one, 'a', 253);
    one[253] = '\0';
    strcpy(other, one);
    other[252] = 'b';
    hop_file_name("rate", one, path);
    hop_file_name("rate", other, second);
    assert_int_equal(strlen(path), HOP_FILE_NAME - 1);
    assert_string_not_equal(path, second);
    one[190] = '\0';
    hop_file_name("rate", one, path);
    assert_string_equal(path + strlen("rate-"), one);
}

/* ---- rate ---- */

static struct limit_clock now = {.wall = 1700000000000, .running = 5000000, .boot = "first"};

static int64_t ask(unsigned count, unsigned seconds, bool take)
{
    int64_t wait = -1;
    const struct limit_rate rate = {count, seconds};
    struct outcome outcome = limit_ask(&queue, hop, &rate, &now, take, &wait);
    assert_true(outcome_good(&outcome));
    return wait;
}

static void pass(int64_t milliseconds)
{
    now.wall += milliseconds;
    now.running += milliseconds;
}

static void test_window_slides(void **state)
{
    (void)state;
    forget();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(3, 60, false), 0);
        assert_int_equal(ask(3, 60, true), 0);
        pass(10000);
    }
    /* At 0, 10 and 20 s; it is 30 s now. */
    assert_int_equal(ask(3, 60, true), 30000);
    pass(29999);
    assert_int_equal(ask(3, 60, true), 1);
    pass(1);
    assert_int_equal(ask(3, 60, true), 0);
    assert_int_equal(ask(3, 60, true), 10000);
    pass(10000);
    assert_int_equal(ask(3, 60, true), 0);
    assert_int_equal(ask(3, 60, true), 10000);
}

/* However it comes, no window has more than its count. */
static void test_never_more_than_the_count_in_any_window(void **state)
{
    (void)state;
    enum { COUNT = 7, WINDOW = 20, TRIES = 1500 };
    static int64_t gone[TRIES];
    size_t total = 0;
    forget();
    srandom(7);
    for (int i = 0; i < TRIES; i++) {
        pass(random() % 3000);
        if (ask(COUNT, WINDOW, true) == 0)
            gone[total++] = now.running;
    }
    assert_true(total > COUNT * 20);
    for (size_t i = COUNT; i < total; i++)
        assert_true(gone[i] - gone[i - COUNT] >= WINDOW * 1000);
}

static void test_no_limit(void **state)
{
    (void)state;
    forget();
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask(0, 60, true), 0);
    assert_int_equal(faccessat(queue.hops, "rate-mx_Example_org", F_OK, 0), -1);
}

static void test_clock_set_back_or_ahead_changes_nothing(void **state)
{
    (void)state;
    forget();
    assert_int_equal(ask(1, 60, true), 0);
    now.wall -= 86400000;
    assert_int_equal(ask(1, 60, true), 60000);
    now.wall += 10 * 86400000LL;
    assert_int_equal(ask(1, 60, true), 60000);
    pass(60000);
    assert_int_equal(ask(1, 60, true), 0);
}

static void test_the_machine_is_started_anew(void **state)
{
    (void)state;
    forget();
    assert_int_equal(ask(2, 60, true), 0);
    pass(20000);
    assert_int_equal(ask(2, 60, true), 0);
    pass(10000);
    now.running = 1000;
    strcpy(now.boot, "second");
    /* By the wall clock, the first one was 30 s ago. */
    assert_int_equal(ask(2, 60, true), 30000);
    pass(30000);
    assert_int_equal(ask(2, 60, true), 0);
    assert_int_equal(ask(2, 60, true), 20000);
    /* With a clock that is a day behind now, it waits for a window at the most. */
    strcpy(now.boot, "third");
    now.running = 0;
    now.wall -= 86400000;
    assert_int_equal(ask(2, 60, true), 60000);
    pass(60000);
    assert_int_equal(ask(2, 60, true), 0);
}

static void test_another_count(void **state)
{
    (void)state;
    forget();
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ask(4, 100, true), 0);
        pass(1000);
    }
    /* The last two count: 2 s and 1 s ago. */
    assert_int_equal(ask(2, 100, true), 98000);
    assert_int_equal(ask(2, 10, true), 8000);
    /* Room for more: what is known of is kept. */
    assert_int_equal(ask(3, 100, true), 0);
    assert_int_equal(ask(3, 100, true), 98000);
    /* With another time alone the ring stays. */
    pass(7000);
    assert_int_equal(ask(3, 9, true), 0);
}

/* A process that dies between the two writes: what it did not send does not count, and nobody gets
 * more for it. */
static void test_crash_between_two_writes(void **state)
{
    (void)state;
    forget();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(3, 60, true), 0);
        pass(10000);
    }
    pass(30000);
    int fd = openat(queue.hops, "rate-mx_Example_org", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    char head[97];
    snprintf(head, sizeof head, "postrider-rate 1 3 1 %s", now.boot);
    assert_int_equal(pwrite(fd, head, strlen(head), 0), strlen(head));
    close(fd);
    /* Times 0, 10, 20; it is 60. The turn of 0 is lost; that of 10 comes at 70. */
    assert_int_equal(ask(3, 60, true), 10000);
    pass(10000);
    assert_int_equal(ask(3, 60, true), 0);
    pass(10000);
    assert_int_equal(ask(3, 60, true), 0);
    /* 0 again: the two of the last 10 s, and one more. */
    assert_int_equal(ask(3, 60, true), 0);
    assert_int_equal(ask(3, 60, true), 50000);
}

/* Of the two writes only the second one is on disk when the machine comes up again. */
static void test_Q1_power_cut_between_two_writes(void **state)
{
    (void)state;
    forget();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(3, 60, true), 0);
        pass(10000);
    }
    pass(30000);
    assert_int_equal(ask(3, 60, true), 0);
    int fd = openat(queue.hops, "rate-mx_Example_org", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    char head[97];
    snprintf(head, sizeof head, "postrider-rate 1 3 0 %s", now.boot);
    assert_int_equal(pwrite(fd, head, strlen(head), 0), strlen(head));
    close(fd);
    now.running = 1000;
    now.boot[0] = 'F';
    pass(5000);
    /* Times 10, 20, 60; it is 65. That of 10 comes at 70, not that of 60 at 120. */
    assert_int_equal(ask(3, 60, true), 5000);
    pass(5000);
    assert_int_equal(ask(3, 60, true), 0);
    assert_int_equal(ask(3, 60, true), 10000);
}

static void put_file(const char *text, size_t length)
{
    int fd = openat(queue.hops, "rate-mx_Example_org", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && file_write(fd, text, length));
    close(fd);
}

static void test_damaged_files(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "rubbish",
                                        "postrider-rate 1 0 0 x",
                                        "postrider-rate 1 3 3 x",
                                        "postrider-rate 2 3 0 x",
                                        "postrider-rate 1 99999999 0 x"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put_file(texts[i], strlen(texts[i]));
        assert_int_equal(ask(1, 60, true), 0);
        assert_int_equal(ask(1, 60, true), 60000);
    }
    /* A time that cannot be read is taken for one just now. */
    char text[192];
    memset(text, ' ', sizeof text);
    int length = snprintf(text, sizeof text, "postrider-rate 1 1 0 %s", now.boot);
    text[length] = ' ';
    memcpy(text + 96, "rubbish", 7);
    put_file(text, sizeof text);
    assert_int_equal(ask(1, 60, true), 60000);
}

static void test_no_space_for_it_is_later(void **state)
{
    (void)state;
    struct queue none = queue;
    none.hops = -1;
    int64_t wait;
    const struct limit_rate rate = {1, 60};
    struct outcome outcome = limit_ask(&none, hop, &rate, &now, true, &wait);
    assert_int_equal(outcome.result, LATER);
    int fd;
    bool waited;
    outcome = limit_enter(&none, hop, 1, &fd, &waited);
    assert_int_equal(outcome.result, LATER);
    assert_int_equal(fd, -1);
}

/* By the real clocks, from many processes at once, some of which are killed. */
static void test_many_processes(void **state)
{
    (void)state;
    enum { PROCESSES = 8, COUNT = 50 };
    forget();
    int ends[2];
    pid_t pids[PROCESSES];
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] != 0)
            continue;
        const struct limit_rate rate = {COUNT, 3600};
        for (int64_t wait = 0; wait == 0;) {
            struct outcome outcome = limit_ask(&queue, hop, &rate, NULL, true, &wait);
            if (!outcome_good(&outcome) || (wait == 0 && write(ends[1], "x", 1) != 1))
                _exit(1);
        }
        _exit(0);
    }
    kill(pids[0], SIGKILL);
    kill(pids[1], SIGKILL);
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(i < 2 || status == 0);
    }
    close(ends[1]);
    char gone[COUNT + 10];
    ssize_t count = file_read(ends[0], gone, sizeof gone);
    close(ends[0]);
    /* One each of the killed ones may have been on its way. */
    assert_in_range(count, COUNT - 2, COUNT);
}

/* ---- seats ---- */

static pid_t sit_for(unsigned seats, int ready, int milliseconds)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int fd;
    bool waited;
    struct outcome outcome = limit_enter(&queue, hop, seats, &fd, &waited);
    if (!outcome_good(&outcome) || write(ready, waited ? "w" : "s", 1) != 1)
        _exit(1);
    nanosleep(&(struct timespec){.tv_sec = milliseconds / 1000,
                                 .tv_nsec = milliseconds % 1000 * 1000000L},
              NULL);
    _exit(0);
}

static char hear(int fd)
{
    char byte = 0;
    assert_int_equal(read(fd, &byte, 1), 1);
    return byte;
}

static void test_seats(void **state)
{
    (void)state;
    for (unsigned seats = 1; seats <= 3; seats++) {
        int ends[2];
        pid_t pids[4];
        assert_int_equal(pipe(ends), 0);
        for (unsigned i = 0; i < seats; i++) {
            pids[i] = sit_for(seats, ends[1], 20000);
            assert_int_equal(hear(ends[0]), 's');
        }
        int64_t begun = clock_ms();
        pid_t last = sit_for(seats, ends[1], 0);
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
        /* Killed, not closed: the kernel gives its seat back. */
        kill(pids[0], SIGKILL);
        assert_int_equal(hear(ends[0]), 'w');
        assert_true(clock_ms() - begun >= 200);
        int status;
        assert_int_equal(waitpid(last, &status, 0), last);
        assert_int_equal(status, 0);
        for (unsigned i = 0; i < seats; i++) {
            kill(pids[i], SIGKILL);
            waitpid(pids[i], &status, 0);
        }
        close(ends[0]);
        close(ends[1]);
    }
}

static void test_seats_of_others_are_theirs(void **state)
{
    (void)state;
    int first, second;
    bool waited;
    struct outcome outcome = limit_enter(&queue, "smarthost", 1, &first, &waited);
    assert_true(outcome_good(&outcome));
    outcome = limit_enter(&queue, "smarthost2", 1, &second, &waited);
    assert_true(outcome_good(&outcome) && !waited);
    file_close(&first);
    file_close(&second);
}

/* ---- pauses ---- */

static void test_a_pause_is_no_failure(void **state)
{
    (void)state;
    struct hop_state read;
    struct outcome why = outcome_later("4.4.5", "rate = 3/h is used up until 14:05:00");
    hop_failed(&queue, hop, &why, 10);
    hop_pause(&queue, hop, &why, 60);
    hop_read(&queue, hop, &read);
    assert_true(hop_is_pausing(&read));
    assert_int_equal(read.failures, 0);
    assert_string_equal(read.reason, why.reason);
    assert_in_range(read.until, clock_now() + 58, clock_now() + 61);
    hop_works(&queue, hop);
    hop_read(&queue, hop, &read);
    assert_true(hop_is_pausing(&read));
    hop_failed(&queue, hop, &why, 10);
    hop_read(&queue, hop, &read);
    assert_false(hop_is_pausing(&read));
    assert_int_equal(read.failures, 1);
    hop_works(&queue, hop);
    hop_read(&queue, hop, &read);
    assert_int_equal(read.until, 0);
}

/* It began in what is the future now: the clock was put back, and nothing waits for a day. */
static void test_Q4_a_pause_from_the_future_is_over(void **state)
{
    (void)state;
    struct hop_state read;
    char text[64];
    int length = snprintf(text, sizeof text, "2 4.4.1 %lld down", (long long)clock_now() + 86400);
    int fd = openat(queue.hops, "hop-mx_Example_org", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && file_write(fd, text, (size_t)length));
    const struct timespec times[2] = {{.tv_sec = clock_now() + 86400 + 600},
                                      {.tv_sec = clock_now() + 86400 + 600}};
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
    hop_read(&queue, hop, &read);
    assert_int_equal(read.until, 0);
    assert_int_equal(read.failures, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_names_have_files_of_their_own),
        cmocka_unit_test(test_window_slides),
        cmocka_unit_test(test_never_more_than_the_count_in_any_window),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_clock_set_back_or_ahead_changes_nothing),
        cmocka_unit_test(test_the_machine_is_started_anew),
        cmocka_unit_test(test_another_count),
        cmocka_unit_test(test_crash_between_two_writes),
        cmocka_unit_test(test_Q1_power_cut_between_two_writes),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_no_space_for_it_is_later),
        cmocka_unit_test(test_many_processes),
        cmocka_unit_test(test_seats),
        cmocka_unit_test(test_seats_of_others_are_theirs),
        cmocka_unit_test(test_a_pause_is_no_failure),
        cmocka_unit_test(test_Q4_a_pause_from_the_future_is_over),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

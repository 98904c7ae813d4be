/* Who is connected, and who failed to sign in: counts by client, and how they are forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "listen/clients.h"

/* Time goes on when a test says so. */
static time_t seconds_on;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec += seconds_on;
    return result;
}

static struct clients clients;
static pid_t next_pid;

static int start_anew(void **state)
{
    (void)state;
    clients = (struct clients){0};
    next_pid = 1000;
    return 0;
}

static int end(void **state)
{
    (void)state;
    clients_free(&clients);
    return 0;
}

static const struct sockaddr *address(const char *text)
{
    static struct sockaddr_storage space;
    memset(&space, 0, sizeof space);
    struct sockaddr_in *four = (struct sockaddr_in *)&space;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&space;
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1)
        four->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1)
        six->sin6_family = AF_INET6;
    else
        fail();
    return (const struct sockaddr *)&space;
}

static void visit(const char *text, bool failed)
{
    clients_add(&clients, next_pid, 0, address(text));
    assert_true(clients_remove(&clients, next_pid++, failed));
}

static void fail_often(const char *text, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        visit(text, true);
}

static void test_connections_are_counted_by_client(void **state)
{
    (void)state;
    size_t all, same;
    clients_add(&clients, 1, 0, address("192.0.2.1"));
    clients_add(&clients, 2, 0, address("::ffff:192.0.2.1"));
    clients_add(&clients, 3, 1, address("192.0.2.1"));
    clients_add(&clients, 4, 0, address("2001:db8:0:1::1"));
    clients_add(&clients, 5, 0, address("2001:db8:0:1:ffff::2"));
    clients_add(&clients, 6, 0, address("2001:db8:0:2::1"));
    clients_count(&clients, 0, address("192.0.2.1"), &all, &same);
    assert_int_equal(all, 5);
    assert_int_equal(same, 2);
    clients_count(&clients, 0, address("2001:db8:0:1::3"), &all, &same);
    assert_int_equal(same, 2);
    clients_count(&clients, 0, address("192.0.2.2"), &all, &same);
    assert_int_equal(same, 0);
    assert_true(clients_remove(&clients, 2, false));
    assert_false(clients_remove(&clients, 2, false));
    clients_count(&clients, 0, address("192.0.2.1"), &all, &same);
    assert_int_equal(all, 4);
    assert_int_equal(same, 1);
}

static void test_V6_many_failures_bar_and_time_forgives(void **state)
{
    (void)state;
    fail_often("192.0.2.1", 9);
    assert_false(clients_is_barred(&clients, address("192.0.2.1")));
    visit("192.0.2.1", false);
    visit("192.0.2.1", true);
    assert_true(clients_is_barred(&clients, address("192.0.2.1")));
    assert_false(clients_is_barred(&clients, address("192.0.2.2")));
    seconds_on += 61;
    assert_false(clients_is_barred(&clients, address("192.0.2.1")));
    visit("192.0.2.1", true);
    assert_true(clients_is_barred(&clients, address("192.0.2.1")));
}

static void test_V6_no_debt_without_end(void **state)
{
    (void)state;
    fail_often("192.0.2.1", 1000);
    seconds_on += 11 * 60;
    assert_false(clients_is_barred(&clients, address("192.0.2.1")));
    seconds_on += 20 * 60;
    assert_false(clients_is_barred(&clients, address("192.0.2.1")));
    assert_int_equal(clients.offender_count, 0);
}

static void test_V6_neighbours_in_a_network_are_one_party(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        char text[40];
        snprintf(text, sizeof text, "2001:db8:0:1::%x", i + 1);
        visit(text, true);
    }
    assert_true(clients_is_barred(&clients, address("2001:db8:0:1:abcd::1")));
    assert_false(clients_is_barred(&clients, address("2001:db8:0:2::1")));
}

/* Whoever changes his address all the time fills no memory. */
static void test_V6_offenders_are_bounded(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10100; i++) {
        char text[40];
        snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        visit(text, true);
    }
    assert_in_range(clients.offender_count, 9000, 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connections_are_counted_by_client, start_anew, end),
        cmocka_unit_test_setup_teardown(test_V6_many_failures_bar_and_time_forgives, start_anew,
                                        end),
        cmocka_unit_test_setup_teardown(test_V6_no_debt_without_end, start_anew, end),
        cmocka_unit_test_setup_teardown(test_V6_neighbours_in_a_network_are_one_party, start_anew,
                                        end),
        cmocka_unit_test_setup_teardown(test_V6_offenders_are_bounded, start_anew, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The name servers of resolv.conf, as the library's resolver takes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "base/sandbox.h"
#include "net/servers.h"

/* "127.0.0.1", "fe80::1%3"; each with port 53. */
static const char *show(const union server *server)
{
    static char text[INET6_ADDRSTRLEN + 16];
    if (server->any.sa_family == AF_INET) {
        assert_int_equal(ntohs(server->v4.sin_port), 53);
        assert_int_equal(server_size(server), sizeof server->v4);
        inet_ntop(AF_INET, &server->v4.sin_addr, text, sizeof text);
        return text;
    }
    assert_int_equal(server->any.sa_family, AF_INET6);
    assert_int_equal(ntohs(server->v6.sin6_port), 53);
    assert_int_equal(server_size(server), sizeof server->v6);
    inet_ntop(AF_INET6, &server->v6.sin6_addr, text, sizeof text);
    if (server->v6.sin6_scope_id)
        snprintf(text + strlen(text), 16, "%%%u", server->v6.sin6_scope_id);
    return text;
}

static void expect(const char *text, const char *first, const char *second, const char *third)
{
    const char *const wanted[MOST_SERVERS] = {first, second, third};
    union server servers[MOST_SERVERS];
    size_t count = servers_parse(text, servers);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(wanted[i]);
        assert_string_equal(show(&servers[i]), wanted[i]);
    }
    assert_true(count == MOST_SERVERS || wanted[count] == NULL);
}

static void test_servers_are_in_their_order(void **state)
{
    (void)state;
    expect("# by a script\nsearch example.org\nnameserver 192.0.2.1\r\n"
           "nameserver\t2001:db8::1   # ours\noptions timeout:1\n",
           "192.0.2.1", "2001:db8::1", NULL);
    expect("nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4",
           "192.0.2.1", "192.0.2.2", "192.0.2.3");
}

static void test_lines_that_name_none_are_passed_over(void **state)
{
    (void)state;
    expect("nameserver\nnameserver \nnameserver host.example\nnameserver 192.0.2\n"
           "nameservers 192.0.2.9\n#nameserver 192.0.2.9\n;nameserver 192.0.2.9\n"
           "nameserver fe80::1%nosuchlink0\nnameserver 192.0.2.1",
           "192.0.2.1", NULL, NULL);
}

static void test_without_any_this_machine_is_asked(void **state)
{
    (void)state;
    expect("", "127.0.0.1", NULL, NULL);
    expect("search example.org\n\n", "127.0.0.1", NULL, NULL);
}

static void test_links_have_a_name_or_a_number(void **state)
{
    (void)state;
    expect("nameserver fe80::1%7\nnameserver fe80::1%lo\n", "fe80::1%7", "fe80::1%1", NULL);
    /* In there, too, where questions are asked. */
    pid_t pid = fork();
    if (pid == 0) {
        struct texts none = {0};
        const struct sandbox sandbox = {.readable = &none, .local_sockets = true, .internet = true};
        union server servers[MOST_SERVERS];
        struct outcome outcome = sandbox_enter(&sandbox);
        bool good = outcome_good(&outcome) && servers_parse("nameserver fe80::1%lo", servers) == 1;
        _exit(good && servers[0].v6.sin6_scope_id == 1 ? 0 : 1);
    }
    assert_int_equal(process_wait(pid), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers_are_in_their_order),
        cmocka_unit_test(test_lines_that_name_none_are_passed_over),
        cmocka_unit_test(test_without_any_this_machine_is_asked),
        cmocka_unit_test(test_links_have_a_name_or_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

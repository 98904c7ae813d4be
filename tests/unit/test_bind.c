/* Sockets that stay over a change of the settings, and to which listener they then belong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/memory.h"
#include "listen/bind.h"

/* A socket that listens on a free port of loopback. */
static int listen_somewhere(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void add_address(struct listener *listener, const char *host, unsigned port)
{
    char address[64];
    snprintf(address, sizeof address, "%s:%u", host, port);
    texts_add(&listener->addresses, address);
}

struct place {
    struct doors old, fresh;
    unsigned ports[2];
    int fds[2];
    struct listener listeners[2];
    struct settings settings;
};

/* Two open doors, and settings with two sections that name nothing yet. */
static int set_up(void **state)
{
    struct place *place = memory_get(sizeof *place);
    *place = (struct place){.listeners = {{.name = "a"}, {.name = "b"}}};
    place->settings = (struct settings){.listeners = place->listeners, .listener_count = 2};
    place->old.items = memory_get(2 * sizeof *place->old.items);
    place->old.count = 2;
    for (size_t i = 0; i < 2; i++) {
        place->fds[i] = listen_somewhere(&place->ports[i]);
        place->old.items[i] = (struct door){.fd = place->fds[i], .name = memory_copy("x", 1)};
    }
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    doors_close(&place->old);
    doors_close(&place->fresh);
    texts_free(&place->listeners[0].addresses);
    texts_free(&place->listeners[1].addresses);
    free(place);
    return 0;
}

/* However the address is written, and whatever else of the section changes. */
static void test_the_address_tells_whose_a_socket_is(void **state)
{
    struct place *place = *state;
    add_address(&place->listeners[0], "localhost", place->ports[1]);
    add_address(&place->listeners[1], "127.0.0.1", place->ports[0]);
    struct outcome outcome = bind_all(&place->settings, &place->old, &place->fresh);
    assert_true(outcome_good(&outcome));
    size_t found = 0;
    for (size_t i = 0; i < place->fresh.count; i++)
        for (size_t k = 0; k < 2; k++)
            if (place->fresh.items[i].fd == place->fds[k]) {
                assert_int_equal(place->fresh.items[i].listener, 1 - k);
                assert_int_equal(place->old.items[k].fd, -1);
                found++;
            }
    assert_int_equal(found, 2);

    doors_give_back(&place->fresh, &place->old);
    for (size_t k = 0; k < 2; k++)
        assert_int_equal(place->old.items[k].fd, place->fds[k]);
}

/* Of those that were handed over the name tells it, if they have one: the section [listen] has none
 * either, and other rules than the one that has the port. */
static void test_a_socket_without_a_name_belongs_to_its_port(void **state)
{
    struct place *place = *state;
    char none[] = "";
    place->listeners[0].name = none;
    add_address(&place->listeners[1], "127.0.0.1", place->ports[1]);
    free(place->old.items[1].name);
    place->old.items[1].name = memory_copy("", 0);
    place->old.items[0].inherited = place->old.items[1].inherited = true;
    struct outcome outcome = bind_all(&place->settings, &place->old, &place->fresh);
    assert_true(outcome_good(&outcome));
    assert_int_equal(place->fresh.count, 2);
    assert_int_equal(place->fresh.items[0].listener, 0);
    assert_int_equal(place->fresh.items[1].listener, 1);
}

static void test_an_address_in_the_way_is_named(void **state)
{
    struct place *place = *state;
    add_address(&place->listeners[0], "0.0.0.0", place->ports[0]);
    struct outcome outcome = bind_all(&place->settings, &place->old, &place->fresh);
    assert_int_equal(outcome.exit_status, EX_OSERR);
    assert_non_null(strstr(outcome.reason, "that takes a restart"));
    doors_give_back(&place->fresh, &place->old);
    assert_int_equal(place->old.items[0].fd, place->fds[0]);
}

static void test_an_address_is_for_one_section(void **state)
{
    struct place *place = *state;
    add_address(&place->listeners[0], "127.0.0.1", place->ports[0]);
    add_address(&place->listeners[0], "127.0.0.1", place->ports[0]); /* no harm */
    struct outcome outcome = bind_all(&place->settings, &place->old, &place->fresh);
    assert_true(outcome_good(&outcome));
    assert_int_equal(place->fresh.count, 1);
    doors_give_back(&place->fresh, &place->old);
    doors_close(&place->fresh);

    add_address(&place->listeners[1], "127.0.0.1", place->ports[0]);
    outcome = bind_all(&place->settings, &place->old, &place->fresh);
    assert_int_equal(outcome.exit_status, EX_CONFIG);
    assert_non_null(strstr(outcome.reason, "another [listen] section"));
    doors_give_back(&place->fresh, &place->old);
    assert_int_equal(place->old.items[0].fd, place->fds[0]);
}

static void test_who_else_has_an_address(void **state)
{
    struct place *place = *state;
    add_address(&place->listeners[0], "127.0.0.1", place->ports[0]);
    struct outcome outcome = bind_all(&place->settings, NULL, &place->fresh);
    assert_int_equal(outcome.exit_status, EX_OSERR);
    assert_non_null(strstr(outcome.reason, "another program does"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_address_tells_whose_a_socket_is, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_socket_without_a_name_belongs_to_its_port, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_an_address_in_the_way_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_address_is_for_one_section, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_else_has_an_address, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

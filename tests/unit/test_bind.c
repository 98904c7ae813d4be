/* Sockets that stay over a change of the settings, and to which listener they then belong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "listen/bind.h"

enum { MOST = 4 };

/* Doors with these names; any descriptors do. */
static void open_doors(struct doors *doors, const char *const names[], size_t count)
{
    *doors = (struct doors){.items = memory_get(count * sizeof *doors->items), .count = count};
    for (size_t i = 0; i < count; i++) {
        int fd = dup(0);
        assert_true(fd >= 0);
        doors->items[i] = (struct door){.fd = fd, .name = memory_copy(names[i], strlen(names[i]))};
    }
}

/* Two sections that say the same, and mean the usual ports of two kinds of TLS. */
static void test_the_port_tells_listeners_apart(void **state)
{
    (void)state;
    static const char *const names[] = {"127.0.0.1:465", "127.0.0.1:25", "[::1]:25", "*:26"};
    struct listener listeners[2] = {{.tls = TLS_OFF}, {.tls = TLS_IMPLICIT}};
    const struct settings settings = {.listeners = listeners, .listener_count = 2};
    texts_split(&listeners[0].addresses, "127.0.0.1, [::1], *:26");
    texts_split(&listeners[1].addresses, "127.0.0.1");
    struct doors old, fresh = {0};
    int fds[MOST];
    open_doors(&old, names, MOST);
    for (size_t i = 0; i < MOST; i++)
        fds[i] = old.items[i].fd;
    struct outcome outcome = bind_all(&settings, &old, &fresh);
    assert_true(outcome_good(&outcome));
    assert_int_equal(fresh.count, MOST);
    for (size_t i = 0; i < MOST; i++) {
        bool submissions = fresh.items[i].fd == fds[0];
        assert_int_equal(fresh.items[i].listener, submissions ? 1 : 0);
        assert_string_equal(fresh.items[i].name, names[submissions ? 0 : i + 1]);
        assert_int_equal(old.items[i].fd, -1);
    }

    doors_give_back(&fresh, &old);
    for (size_t i = 0; i < MOST; i++) {
        assert_int_equal(old.items[i].fd, fds[i]);
        assert_int_equal(fresh.items[i].fd, -1);
    }
    doors_close(&fresh);
    doors_close(&old);
    texts_free(&listeners[0].addresses);
    texts_free(&listeners[1].addresses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_port_tells_listeners_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which way mail leaves: routes before and behind local domains, holds, names of next hops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "route/route.h"

static char path[] = "/tmp/postrider-route-XXXXXX";
static struct settings settings;

static struct outcome load(const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_true(file_write(fd, text, strlen(text)));
    close(fd);
    return settings_load(path, &settings);
}

static int set_up(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    close(fd);
    setenv("HOME", "/tmp", 1);
    struct outcome outcome =
        load("[mail]\nhostname = here.example\nlocal_domains = *.here.example, own.example\n"
             "[smarthost]\nhost = a\n"
             "[smarthost \"st2\"]\nhost = b\nsenders = @st2.example\n"
             "[route \"st3.example\"]\nvia = mx1.st3.example:25, mx2.st3.example\nretry = 1m, 2m\n"
             "lifetime = 30d\n"
             "[route \"*.st3.example\"]\nvia = mx\n"
             "[route \"*.deep.st3.example\"]\nvia = lmtp:/run/lmtp\n"
             "[route \"own.example\"]\nvia = smarthost st2\n"
             "[route \"*.here.example\"]\nvia = discard\n"
             "[route \"mine.example\"]\nvia = local\n"
             "[route \"held.example\"]\nvia = hold\n"
             "[route \"gone.example\"]\nvia = error we moved, see our page\n"
             "[route \"[192.0.2.1]\"] # an address literal\nvia = discard\n"
             "[route \"usual.example\"]\nvia = smarthost\n");
    if (!outcome_good(&outcome))
        print_error("%s\n", outcome.reason);
    return outcome_good(&outcome) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    settings_free(&settings);
    return unlink(path);
}

static struct next_hop find(const char *recipient, const char *sender, bool released)
{
    static struct address to, from;
    const char *why;
    address_free(&to);
    address_free(&from);
    assert_true(address_parse(recipient, &to, &why));
    assert_true(address_parse(sender, &from, &why));
    struct next_hop next;
    route_find(&settings, &to, &from, released, &next);
    return next;
}

static void assert_goes(const char *recipient, const char *sender, enum way way, const char *name)
{
    struct next_hop next = find(recipient, sender, false);
    struct buffer text = {0};
    next_hop_name(&next, &text);
    assert_int_equal(next.way, way);
    assert_string_equal(buffer_text(&text), name);
    assert_true((next.peer != NULL) == (*name != '\0'));
    buffer_free(&text);
}

static void test_order(void **state)
{
    (void)state;
    assert_goes("a@far.example", "x@y.example", WAY_SMTP, "smarthost");
    assert_goes("a@far.example", "x@st2.example", WAY_SMTP, "st2");
    assert_goes("a@far.example", "<>", WAY_SMTP, "smarthost");
    assert_goes("a@st3.example", "x@st2.example", WAY_SMTP, "route st3.example");
    assert_goes("a@[192.0.2.1]", "<>", WAY_DISCARD, "");
    assert_goes("a@[192.0.2.10]", "x@st2.example", WAY_SMTP, "st2");
    assert_goes("a@ST3.example", "<>", WAY_SMTP, "route st3.example");
    assert_goes("a@x.st3.example", "<>", WAY_MX, "mx x.st3.example");
    assert_goes("a@x.deep.st3.example", "<>", WAY_LMTP, "route *.deep.st3.example");
    assert_goes("a@usual.example", "x@st2.example", WAY_SMTP, "st2");
    assert_goes("a@mine.example", "<>", WAY_LOCAL, "");
    assert_goes("a@held.example", "<>", WAY_HOLD, "");
    assert_goes("a@gone.example", "<>", WAY_ERROR, "");
}

/* A route of just this domain is stronger than local_domains, a wildcard is not. */
static void test_local_domains(void **state)
{
    (void)state;
    assert_goes("a", "<>", WAY_LOCAL, "");
    assert_goes("a@localhost", "<>", WAY_LOCAL, "");
    assert_goes("a@here.example", "<>", WAY_LOCAL, "");
    assert_goes("a@x.here.example", "<>", WAY_LOCAL, "");
    assert_goes("a@own.example", "x@y.example", WAY_SMTP, "st2");
    assert_true(route_is_local(&settings, NULL));
    assert_true(route_is_local(&settings, "x.here.example"));
    assert_true(route_is_local(&settings, "mine.example"));
    assert_false(route_is_local(&settings, "own.example"));
    assert_false(route_is_local(&settings, "held.example"));
    assert_false(route_is_local(&settings, "far.example"));
}

static void test_released(void **state)
{
    (void)state;
    struct next_hop next = find("a@held.example", "x@st2.example", true);
    assert_int_equal(next.way, WAY_SMTP);
    assert_string_equal(next.peer->name, "st2");
}

static void test_own_values(void **state)
{
    (void)state;
    struct next_hop next = find("a@st3.example", "<>", false);
    assert_int_equal(next.route->retry_count, 2);
    assert_int_equal(next.route->retry[1], 120);
    assert_int_equal(next.route->lifetime, 30 * 24 * 60 * 60);
    assert_int_equal(next.peer->hosts.count, 2);
    assert_int_equal(next.peer->port, 25);
    assert_int_equal(next.peer->tls, TLS_STARTTLS);
    assert_int_equal(next.peer->auth, AUTH_OFF);
    next = find("a@x.st3.example", "<>", false);
    assert_int_equal(next.peer->tls, TLS_OPPORTUNISTIC);
    next = find("a@gone.example", "<>", false);
    assert_string_equal(next.route->argument, "we moved, see our page");
}

static void expect_fault(const char *text, const char *words)
{
    struct settings kept = settings;
    struct outcome outcome = load(text);
    assert_false(outcome_good(&outcome));
    if (!strstr(outcome.reason, words))
        print_error("%s\n", outcome.reason);
    assert_non_null(strstr(outcome.reason, words));
    settings_free(&settings);
    settings = kept;
}

static void test_faults(void **state)
{
    (void)state;
    expect_fault("[route]\nvia = mx\n", ":1: [route] wants a recipient domain");
    expect_fault("[route \"a b\"]\nvia = mx\n", ":1: ");
    expect_fault("[route \"a.example\"]\nport = 25\n", ":1: [route \"a.example\"] says not where");
    expect_fault("[route \"a.example\"]\nvia =\n", ":2: via may not be empty");
    expect_fault("[route \"a.example\"]\nvia = smarthost nosuch\n",
                 "there is no [smarthost \"nosuch\"]");
    expect_fault("[route \"a.example\"]\nvia = lmtp:socket\n", "absolute path");
    expect_fault("[route \"a.example\"]\nvia = error\n", "words to refuse mail with");
    expect_fault("[route \"a.example\"]\nvia = mx now\n", "stands alone");
    expect_fault("[route \"a.example\"]\nvia = mx\n    b.example\n", "only a list of hosts");
    expect_fault("[route \"a.example\"]\nvia = -x-\n", ":2: ");
    expect_fault("[route \"a.example\"]\nvia = mx\n[route \"A.example\"]\nvia = mx\n",
                 "a second time");
    expect_fault("[route \"a.example\"]\nvia = mx\nuser = x\n", "unknown key user in [route]");
    expect_fault("[smarthost]\nhost = a\nrate = 5\n", "a rate such as");
    expect_fault("[smarthost]\nhost = a\nrate = 0/h\n", "a rate such as");
    expect_fault("[smarthost]\nhost = a\nrate = 100001/h\n", "a rate such as");
    expect_fault("[mail]\nmax_hops = 0\n", "from 1 to 1000");
}

static void test_rate(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned count, seconds;
    } good[] = {{"1/s", 1, 1}, {"10/m", 10, 60}, {"100/h", 100, 3600}, {"7/d", 7, 86400}};
    unsigned count, seconds;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(text_to_rate(good[i].text, &count, &seconds));
        assert_int_equal(count, good[i].count);
        assert_int_equal(seconds, good[i].seconds);
    }
    static const char *const bad[] = {"",     "/h",   "5",   "5/",   "5/x",
                                      "5/hh", "-5/h", "0/h", "5 /h", "99999999999/h"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(text_to_rate(bad[i], &count, &seconds));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),    cmocka_unit_test(test_local_domains),
        cmocka_unit_test(test_released), cmocka_unit_test(test_own_values),
        cmocka_unit_test(test_faults),   cmocka_unit_test(test_rate),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

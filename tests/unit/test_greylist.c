/* Greylisting over years, by a clock of our own; what becomes of it on disk is in tests/program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "filter/greylist.h"

enum { DELAY = 300, WINDOW = 86400, LIFETIME = 35 * 86400 };

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/postrider-greylist-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static enum result ask_for(uint32_t address, const char *recipient, time_t now)
{
    const struct greylist_rules rules = {.delay = DELAY, .window = WINDOW, .lifetime = LIFETIME};
    struct sockaddr_in client = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    const struct greylist_question question = {.client = (struct sockaddr *)&client,
                                               .sender = "joe@sender.example",
                                               .recipient = recipient,
                                               .now = now};
    struct outcome outcome = greylist_check(folder, &rules, &question);
    return outcome.result;
}

static enum result ask(const char *recipient, time_t now)
{
    return ask_for(0xc0000201, recipient, now);
}

/* Pairs that come again make the network known. */
static time_t prove(unsigned first, unsigned last, time_t now)
{
    for (unsigned i = first; i <= last; i++) {
        char recipient[32];
        snprintf(recipient, sizeof recipient, "u%u@here.example", i);
        assert_int_equal(ask(recipient, now), LATER);
        assert_int_equal(ask(recipient, now + DELAY + 1), DONE);
    }
    return now + DELAY + 1;
}

static void test_five_pairs_make_a_network_known(void **state)
{
    (void)state;
    time_t now = prove(1, 4, 1000000);
    assert_int_equal(ask("new@here.example", now), LATER);
    now = prove(5, 5, now);
    assert_int_equal(ask("other@here.example", now), DONE);
}

/* Nobody came to take it out meanwhile; one pair does not make it known again. */
static void test_a_network_that_was_forgotten_begins_anew(void **state)
{
    (void)state;
    time_t now = prove(1, 5, 1000000);
    assert_int_equal(ask("other@here.example", now), DONE);
    now += LIFETIME + 10;
    /* There is much else to take out, or to leave. */
    for (uint32_t i = 0; i < 300; i++)
        ask_for(0x0a000001 + (i << 8), "other@here.example", now - LIFETIME / 2);
    assert_int_equal(ask("other@here.example", now), LATER);
    assert_int_equal(ask("other@here.example", now + DELAY + 1), DONE);
    assert_int_equal(ask("third@here.example", now + DELAY + 2), LATER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_five_pairs_make_a_network_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_network_that_was_forgotten_begins_anew, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

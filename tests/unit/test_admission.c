/*
 * Who may send where: outsiders and those who are trusted, over every kind of domain and route,
 * with the tricks that made other servers relay.
 */
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
#include "base/memory.h"
#include "listen/admission.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static char folder[64], settings_path[96], aliases_path[96];
static struct settings settings;
static struct aliases *aliases;
static struct expander expander;

static const char settings_text[] =
    "[mail]\n"
    "hostname = mx.here.example\n"
    "local_domains = here.example, *.here.example, shop.example, moved.example, inner.example,\n"
    "    caught.example, [192.0.2.1]\n"
    "[smarthost]\nhost = smarthost.example\n"
    "[route \"inner.example\"]\nvia = inner.example:25\n"
    "[route \"moved.example\"]\nvia = error we moved, see our page\n"
    "[route \"lmtp.here.example\"]\nvia = lmtp:/run/lmtp\n"
    "[route \"waits.here.example\"]\nvia = hold\n"
    "[route \"adopted.example\"]\nvia = local\n"
    "[route \"held.example\"]\nvia = hold\n"
    "[route \"dark.example\"]\nvia = discard\n"
    "[route \"gone.partner.example\"]\nvia = error this partner is no more\n"
    "[route \"mx.partner.example\"]\nvia = mx\n"
    "[route \"*.forbidden.example\"]\nvia = error nothing goes there\n"
    "[route \"held.forbidden.example\"]\nvia = hold\n"
    "[listen]\n"
    "relay_domains = partner.example, *.partner.example, held.example, dark.example,\n"
    "    *.wild.example, held.forbidden.example, adopted.example, xn--mnchen-3ya.example\n";

static const char aliases_text[] = "helpdesk: joe\n"
                                   "waits: later\n"
                                   "both: later, joe\n"
                                   "list: :include:/nonexistent/list\n"
                                   "far: someone@elsewhere.example\n"
                                   "sales@shop.example: joe\n"
                                   "@caught.example: joe\n"
                                   "boss@moved.example: boss@elsewhere.example\n"
                                   "partly@gone.partner.example: joe\n"
                                   "info@elsewhere.example: joe\n"
                                   "\"odd@caught.example\": joe\n";

static struct outcome find_user(void *context, const char *name, char **canonical)
{
    static const char *const users[] = {"joe", "root", NULL};
    (void)context;
    if (strcmp(name, "later") == 0)
        return outcome_later("4.3.0", "the user table cannot be read");
    for (size_t i = 0; users[i]; i++)
        if (strcmp(users[i], name) == 0) {
            *canonical = memory_copy(name, strlen(name));
            return outcome_done();
        }
    return outcome_never("5.1.1", "no user %s", name);
}

static bool put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool good = fd >= 0 && file_write(fd, text, strlen(text));
    close(fd);
    return good;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/postrider-admission-XXXXXX");
    if (!mkdtemp(folder) || setenv("XDG_STATE_HOME", folder, 1) < 0)
        return -1;
    snprintf(settings_path, sizeof settings_path, "%s/postrider.conf", folder);
    snprintf(aliases_path, sizeof aliases_path, "%s/aliases", folder);
    if (!put(settings_path, settings_text) || !put(aliases_path, aliases_text))
        return -1;
    struct texts files = {0};
    texts_add(&files, aliases_path);
    struct outcome outcome = settings_load(settings_path, &settings);
    if (outcome_good(&outcome))
        outcome = aliases_open(&files, &aliases);
    if (!outcome_good(&outcome))
        print_error("%s\n", outcome.reason);
    texts_free(&files);
    expander = (struct expander){
        .settings = &settings, .aliases = aliases, .find_user = find_user, .lists_closed = true};
    return outcome_good(&outcome) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    aliases_close(aliases);
    settings_free(&settings);
    unlink(settings_path);
    unlink(aliases_path);
    return rmdir(folder);
}

static struct outcome check(const char *local, const char *domain, bool trusted)
{
    struct address recipient = {.local = memory_copy(local, strlen(local)),
                                .domain = memory_copy(domain, strlen(domain))};
    const struct visitor visitor = {
        .listener = &settings.listeners[0], .expander = &expander, .trusted = trusted};
    struct outcome outcome = admission_check_recipient(&visitor, &recipient);
    address_free(&recipient);
    return outcome;
}

/* The status that the recipient is refused with; NULL: it is taken. */
static void assert_is(const char *local, const char *domain, bool trusted, const char *status)
{
    struct outcome outcome = check(local, domain, trusted);
    const char *came = outcome_good(&outcome) ? NULL : outcome.status;
    if (!came != !status || (came && strcmp(came, status) != 0))
        fail_msg("<%s@%s> %s: %s %s, not %s", local, domain, trusted ? "trusted" : "outside",
                 came ? came : "taken", came ? outcome.reason : "", status ? status : "taken");
    if (status)
        assert_int_equal(outcome.result, *status == '4' ? LATER : NEVER);
}

#define TAKEN   NULL
#define NOBODY  "5.1.1"
#define REFUSED "5.7.1"

/* What becomes of a recipient for those outside, and for those who may relay. */
struct row {
    const char *local, *domain;
    const char *outside, *trusted;
};

static void assert_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_is(rows[i].local, rows[i].domain, false, rows[i].outside);
        assert_is(rows[i].local, rows[i].domain, true, rows[i].trusted);
    }
}

/* Mail for this machine's own domains is taken from anyone, when there is such an address. */
static void test_local_domains(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"joe", "here.example", TAKEN, TAKEN},
        {"JOE", "here.example", TAKEN, TAKEN},
        {"joe+detail", "here.example", TAKEN, TAKEN},
        {"helpdesk", "here.example", TAKEN, TAKEN},
        {"HelpDesk+x", "shop.example", TAKEN, TAKEN},
        {"far", "here.example", TAKEN, TAKEN},
        {"nobody-here", "here.example", NOBODY, NOBODY},
        {"nobody-here+joe", "here.example", NOBODY, NOBODY},
        {"+joe", "here.example", NOBODY, NOBODY},
        {"joe", "mx.here.example", TAKEN, TAKEN},
        {"joe", "deep.below.here.example", TAKEN, TAKEN},
        {"joe", "localhost", TAKEN, TAKEN},
        {"joe", "[192.0.2.1]", TAKEN, TAKEN},
        {"joe", "[192.0.2.10]", REFUSED, TAKEN},
        {"joe", "[127.0.0.1]", REFUSED, TAKEN},
        {"sales", "shop.example", TAKEN, TAKEN},
        {"sales", "here.example", NOBODY, NOBODY},
        {"anybody", "caught.example", TAKEN, TAKEN},
        {"anybody", "shop.example", NOBODY, NOBODY},
        {"later", "here.example", "4.3.0", "4.3.0"},
        {"later", "caught.example", TAKEN, TAKEN},
    };
    assert_rows(rows, COUNT(rows));
}

/* RFC 5321 4.5.1: at every domain that is ours, in any case, without an alias or a user. */
static void test_postmaster(void **state)
{
    (void)state;
    static const char *const domains[] = {
        "here.example", "mx.here.example", "below.here.example", "localhost",
        "shop.example", "caught.example",  "inner.example",      "lmtp.here.example",
        "[192.0.2.1]",  "adopted.example", "partner.example",    "waits.here.example",
        "dark.example",
    };
    static const char *const names[] = {"postmaster", "Postmaster", "POSTMASTER", "postmaster+x",
                                        "mailer-daemon"};
    for (size_t i = 0; i < COUNT(domains); i++)
        for (size_t j = 0; j < COUNT(names); j++)
            assert_is(names[j], domains[i], false, TAKEN);
    assert_is("postmaster", "elsewhere.example", false, REFUSED);
    assert_is("postmasters", "here.example", false, NOBODY);
}

/* Mail for partners is taken from anyone and for anybody there: we cannot know whom they have. */
static void test_relay_domains(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"whoever", "partner.example", TAKEN, TAKEN},
        {"whoever", "mx.partner.example", TAKEN, TAKEN},
        {"whoever", "held.example", TAKEN, TAKEN},
        {"whoever", "dark.example", TAKEN, TAKEN},
        {"whoever", "gone.partner.example", REFUSED, REFUSED},
        {"partly", "gone.partner.example", TAKEN, TAKEN},
        /* Held, and when released to be refused: that is for whoever releases it. */
        {"whoever", "held.forbidden.example", TAKEN, TAKEN},
        {"whoever", "x.forbidden.example", REFUSED, REFUSED},
        {"whoever", "a.b.wild.example", TAKEN, TAKEN},
        {"whoever", "xn--mnchen-3ya.example", TAKEN, TAKEN},
        /* A partner's domain that is delivered here is like one of ours. */
        {"joe", "adopted.example", TAKEN, TAKEN},
        {"whoever", "adopted.example", NOBODY, NOBODY},
    };
    assert_rows(rows, COUNT(rows));
}

/* Ours by name, yet not delivered here: taken for anybody, unless a route refuses the whole domain.
 */
static void test_own_domains_with_a_route(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"whoever", "inner.example", TAKEN, TAKEN},
        {"whoever", "lmtp.here.example", TAKEN, TAKEN},
        {"whoever", "moved.example", REFUSED, REFUSED},
        {"boss", "moved.example", TAKEN, TAKEN},
        {"BOSS+x", "moved.example", TAKEN, TAKEN},
        {"postmaster", "moved.example", REFUSED, REFUSED},
        {"joe", "waits.here.example", TAKEN, TAKEN},
        {"whoever", "waits.here.example", NOBODY, NOBODY},
    };
    assert_rows(rows, COUNT(rows));
    struct outcome outcome = check("whoever", "moved.example", false);
    assert_string_equal(outcome.reason, "we moved, see our page");
}

/* All else is for those who may relay. An alias makes no domain ours. */
static void test_V4_relaying(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"someone", "elsewhere.example", REFUSED, TAKEN},
        {"info", "elsewhere.example", REFUSED, TAKEN},
        {"joe", "elsewhere.example", REFUSED, TAKEN},
        {"joe", "[IPv6:2001:db8::1]", REFUSED, TAKEN},
    };
    assert_rows(rows, COUNT(rows));
}

static void test_V4_edges_of_wildcards(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"joe", "evilhere.example", REFUSED, TAKEN},
        {"joe", "here.example.evil.example", REFUSED, TAKEN},
        {"joe", "here.exampl", REFUSED, TAKEN},
        {"joe", "example", REFUSED, TAKEN},
        {"joe", "xhere.example", REFUSED, TAKEN},
        {"joe", "sub.shop.example", REFUSED, TAKEN},
        {"joe", "wild.example", REFUSED, TAKEN},
        {"joe", "evilwild.example", REFUSED, TAKEN},
        {"joe", "x.evilwild.example", REFUSED, TAKEN},
        {"joe", "sub.held.example", REFUSED, TAKEN},
        {"joe", "localhost.example", REFUSED, TAKEN},
        {"joe", "x.localhost", REFUSED, TAKEN},
        /* Cyrillic letters: another domain. */
        {"joe", "xn--hre-7cd.example", REFUSED, TAKEN},
        {"joe", "m\xC3\xBCnchen.example", REFUSED, TAKEN},
    };
    assert_rows(rows, COUNT(rows));
}

/* Local parts that some server took for a way to go: never from outside, be it to us. */
static void test_V4_ways_within_local_parts(void **state)
{
    (void)state;
    static const char *const locals[] = {
        "someone%elsewhere.example",
        "joe%elsewhere.example",
        "elsewhere.example!someone",
        "elsewhere.example!joe",
        "someone@elsewhere.example",
        "joe@here.example",
        "@elsewhere.example:someone",
        "someone%elsewhere.example%here.example",
        "!someone",
        "someone%",
        "%",
        "@",
        "@caught.example",
        "@here.example",
        "sales@shop.example",
    };
    for (size_t i = 0; i < COUNT(locals); i++) {
        assert_is(locals[i], "here.example", false, REFUSED);
        assert_is(locals[i], "here.example", true, NOBODY);
        assert_is(locals[i], "caught.example", false, REFUSED);
        assert_is(locals[i], "caught.example", true, TAKEN);
        assert_is(locals[i], "partner.example", false, REFUSED);
        assert_is(locals[i], "inner.example", false, REFUSED);
        assert_is(locals[i], "elsewhere.example", false, REFUSED);
        assert_is(locals[i], "partner.example", true, TAKEN);
    }
    /* In quotes it is a name like others, and no other's address. */
    assert_is("odd@caught.example", "here.example", true, TAKEN);
    assert_is("odd", "caught.example", true, TAKEN);
}

/* What an alias file gives a meaning to has none in an address. */
static void test_V4_targets_as_local_parts(void **state)
{
    (void)state;
    static const char *const locals[] = {":include:/etc/passwd",
                                         "|/bin/sh",
                                         "/dev/null",
                                         "\\joe",
                                         "/etc/passwd",
                                         "../joe",
                                         "joe/",
                                         "joe ",
                                         "joe,root",
                                         "joe\"",
                                         ".joe",
                                         "joe."};
    for (size_t i = 0; i < COUNT(locals); i++) {
        assert_is(locals[i], "here.example", false, strchr(locals[i], ':') ? REFUSED : NOBODY);
        assert_is(locals[i], "here.example", true, NOBODY);
    }
}

static void test_place_of_a_relay_domain(void **state)
{
    (void)state;
    const struct listener *listener = &settings.listeners[0];
    assert_int_equal(admission_find_relay_domain(listener, "partner.example"), 0);
    assert_int_equal(admission_find_relay_domain(listener, "PARTNER.example"), 0);
    assert_int_equal(admission_find_relay_domain(listener, "a.b.partner.example"), 1);
    assert_int_equal(admission_find_relay_domain(listener, "held.example"), 2);
    assert_int_equal(admission_find_relay_domain(listener, "here.example"),
                     listener->relay_domains.count);
}

static struct outcome check_sender(const char *user, const char *local, const char *domain)
{
    struct listener listener = settings.listeners[0];
    listener.own_sender = true;
    struct address sender = {.local = memory_copy(local, strlen(local)),
                             .domain = memory_copy(domain, strlen(domain))};
    const struct visitor visitor = {.listener = &listener, .expander = &expander, .user = user};
    struct outcome outcome = admission_check_sender(&visitor, &sender);
    address_free(&sender);
    return outcome;
}

/* A user table that cannot be read now is no reason to give a message up. */
static void test_whose_sender_it_is_cannot_be_told_now(void **state)
{
    (void)state;
    static const struct {
        const char *user, *local, *domain;
        enum result result;
    } cases[] = {
        {"joe", "joe", "here.example", DONE},
        {"joe", "helpdesk", "here.example", DONE},
        {"joe", "root", "here.example", NEVER},
        {"joe", "later", "here.example", LATER},
        {"joe", "waits", "here.example", LATER},
        {"joe", "both", "here.example", DONE},
        {"later@here.example", "joe", "here.example", LATER},
        {"later@here.example", "later", "here.example", DONE},
        /* A list is not looked into. */
        {"joe", "list", "here.example", NEVER},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct outcome outcome = check_sender(cases[i].user, cases[i].local, cases[i].domain);
        if (outcome.result != cases[i].result)
            fail_msg("%s as %s: %s", cases[i].user, cases[i].local, outcome.reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local_domains),
        cmocka_unit_test(test_postmaster),
        cmocka_unit_test(test_relay_domains),
        cmocka_unit_test(test_own_domains_with_a_route),
        cmocka_unit_test(test_V4_relaying),
        cmocka_unit_test(test_V4_edges_of_wildcards),
        cmocka_unit_test(test_V4_ways_within_local_parts),
        cmocka_unit_test(test_V4_targets_as_local_parts),
        cmocka_unit_test(test_place_of_a_relay_domain),
        cmocka_unit_test(test_whose_sender_it_is_cannot_be_told_now),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

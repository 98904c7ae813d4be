/* Who is on the lists of [filter], from the settings and from files; and that it takes as long to
 * find that out however many are on them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/filtering.h"
#include "filter/lists.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/postrider-lists-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* "file:/path" of a file with this text. */
static const char *put_file(const char *name, const char *text)
{
    static char item[128];
    snprintf(item, sizeof item, "file:%s/%s", folder, name);
    int fd = open(item + strlen("file:"), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_true(file_write(fd, text, strlen(text)));
    close(fd);
    return item;
}

static struct lists *load(const struct filtering *filter)
{
    struct lists *lists;
    struct outcome outcome = lists_load(filter, &lists);
    if (!outcome_good(&outcome))
        print_error("%s\n", outcome.reason);
    assert_true(outcome_good(&outcome));
    return lists;
}

static enum listed ask_client(const struct lists *lists, const char *text)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    bool is_six = strchr(text, ':') != NULL;
    assert_int_equal(1, inet_pton(is_six ? AF_INET6 : AF_INET, text,
                                  is_six ? (void *)&six.sin6_addr : (void *)&four.sin_addr));
    return lists_client(lists, is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four);
}

static void expect_sender(const struct lists *lists, const char *address, enum listed listed,
                          const char *item)
{
    const char *found;
    if (lists_sender(lists, address, &found) != listed)
        fail_msg("%s: not %d", address, (int)listed);
    if (item)
        assert_string_equal(found, item);
    else
        assert_null(found);
}

static void expect_helo(const struct lists *lists, const char *name, enum listed listed)
{
    const char *found;
    assert_int_equal(lists_helo(lists, name, &found), listed);
}

static void test_senders(void **state)
{
    (void)state;
    struct filtering filter = {0};
    texts_split(&filter.block_senders,
                "spammer@a.example, @b.example, *@c.example, @*.d.example, "
                "*@*.e.example, news*@f.example, *@g.*, @mx*.i.example, \"x y\"@h.example");
    struct lists *lists = load(&filter);
    expect_sender(lists, "spammer@a.example", LIST_BLOCKS, "spammer@a.example");
    expect_sender(lists, "Spammer@A.example", LIST_BLOCKS, "spammer@a.example");
    expect_sender(lists, "other@a.example", UNLISTED, NULL);
    expect_sender(lists, "any@b.example", LIST_BLOCKS, "@b.example");
    expect_sender(lists, "any@sub.b.example", UNLISTED, NULL);
    expect_sender(lists, "any@c.example", LIST_BLOCKS, "@c.example");
    expect_sender(lists, "any@xc.example", UNLISTED, NULL);
    expect_sender(lists, "any@sub.d.example", LIST_BLOCKS, "@*.d.example");
    expect_sender(lists, "any@a.b.c.D.example", LIST_BLOCKS, "@*.d.example");
    expect_sender(lists, "any@d.example", UNLISTED, NULL);
    expect_sender(lists, "any@sub.e.example", LIST_BLOCKS, "@*.e.example");
    expect_sender(lists, "newsletter@f.example", LIST_BLOCKS, "news*@f.example");
    expect_sender(lists, "oldnews@f.example", UNLISTED, NULL);
    expect_sender(lists, "any@g.example", LIST_BLOCKS, "*@g.*");
    expect_sender(lists, "any@mx9.i.example", LIST_BLOCKS, "*@mx*.i.example");
    expect_sender(lists, "\"x y\"@h.example", LIST_BLOCKS, "\"x y\"@h.example");
    expect_sender(lists, "\"@b.example\"@good.example", UNLISTED, NULL);
    expect_sender(lists, "", UNLISTED, NULL);
    expect_sender(lists, "bare", UNLISTED, NULL);
    lists_free(lists);
    filtering_free(&filter);
}

static void test_clients(void **state)
{
    (void)state;
    struct filtering filter = {0};
    texts_split(&filter.block_clients, "192.0.2.1, 198.51.100.0/24, 2001:db8:1::/48, ::1");
    texts_split(&filter.allow_clients, "198.51.100.128/25, 2001:db8:1:1::/64, 2001:db8:1:1::1");
    struct lists *lists = load(&filter);
    assert_int_equal(ask_client(lists, "192.0.2.1"), LIST_BLOCKS);
    assert_int_equal(ask_client(lists, "192.0.2.2"), UNLISTED);
    assert_int_equal(ask_client(lists, "::ffff:192.0.2.1"), LIST_BLOCKS);
    assert_int_equal(ask_client(lists, "::ffff:192.0.2.2"), UNLISTED);
    assert_int_equal(ask_client(lists, "198.51.100.127"), LIST_BLOCKS);
    assert_int_equal(ask_client(lists, "198.51.100.128"), LIST_ALLOWS);
    assert_int_equal(ask_client(lists, "198.51.101.1"), UNLISTED);
    assert_int_equal(ask_client(lists, "2001:db8:1:2::1"), LIST_BLOCKS);
    assert_int_equal(ask_client(lists, "2001:db8:1:1::2"), LIST_ALLOWS);
    assert_int_equal(ask_client(lists, "2001:db8:2::1"), UNLISTED);
    assert_int_equal(ask_client(lists, "::1"), LIST_BLOCKS);
    assert_int_equal(ask_client(lists, "0.0.0.1"), UNLISTED);
    lists_free(lists);
    texts_split(&filter.block_clients, "0.0.0.0/0");
    lists = load(&filter);
    assert_int_equal(ask_client(lists, "203.0.113.1"), LIST_BLOCKS);
    assert_int_equal(ask_client(lists, "2001:db8:2::1"), UNLISTED);
    lists_free(lists);
    filtering_free(&filter);
}

static void test_helo(void **state)
{
    (void)state;
    struct filtering filter = {0};
    texts_split(&filter.block_helo, "localhost, *.dynamic.example, pc-*, [192.0.2.1]");
    texts_split(&filter.allow_helo, "good.dynamic.example");
    struct lists *lists = load(&filter);
    expect_helo(lists, "LOCALHOST", LIST_BLOCKS);
    expect_helo(lists, "localhost.example", UNLISTED);
    expect_helo(lists, "a.b.dynamic.example", LIST_BLOCKS);
    expect_helo(lists, "dynamic.example", UNLISTED);
    expect_helo(lists, "good.dynamic.example", LIST_ALLOWS);
    expect_helo(lists, "pc-17.example", LIST_BLOCKS);
    expect_helo(lists, "[192.0.2.1]", LIST_BLOCKS);
    lists_free(lists);
    filtering_free(&filter);
}

static void test_files(void **state)
{
    (void)state;
    struct filtering filter = {0};
    texts_add(&filter.block_senders, put_file("senders", "# ours\r\n\n  a@x.example  # him\n"
                                                         "@M\xC3\xBCnchen.example\n*@*.y.example"));
    texts_add(&filter.block_senders, "inline@x.example");
    texts_add(&filter.block_clients, put_file("clients", "192.0.2.0/24\n2001:db8::/32\n"));
    texts_add(&filter.block_helo, put_file("helo", "*.z.example\n"));
    texts_add(&filter.allow_helo, put_file("empty", ""));
    struct lists *lists = load(&filter);
    expect_sender(lists, "a@x.example", LIST_BLOCKS, "a@x.example");
    expect_sender(lists, "inline@x.example", LIST_BLOCKS, "inline@x.example");
    expect_sender(lists, "a@xn--mnchen-3ya.example", LIST_BLOCKS, "@xn--mnchen-3ya.example");
    expect_sender(lists, "a@b.y.example", LIST_BLOCKS, "@*.y.example");
    assert_int_equal(ask_client(lists, "192.0.2.200"), LIST_BLOCKS);
    assert_int_equal(ask_client(lists, "2001:db8::200"), LIST_BLOCKS);
    expect_helo(lists, "a.z.example", LIST_BLOCKS);
    assert_false(lists_have_changed(lists));

    /* Each change is told once. */
    put_file("helo", "*.z.example\nlocalhost\n");
    assert_true(lists_have_changed(lists));
    assert_false(lists_have_changed(lists));
    char path[128];
    snprintf(path, sizeof path, "%s/helo", folder);
    assert_int_equal(unlink(path), 0);
    assert_true(lists_have_changed(lists));
    assert_false(lists_have_changed(lists));
    put_file("helo", "*.z.example\nlocalhost\n");
    assert_true(lists_have_changed(lists));
    lists_free(lists);
    filtering_free(&filter);
}

static void expect_fault(struct texts *list, const struct filtering *filter, const char *text,
                         const char *words)
{
    struct lists *lists;
    texts_add(list, put_file("faulty", text));
    struct outcome outcome = lists_load(filter, &lists);
    assert_int_equal(outcome.exit_status, EX_CONFIG);
    assert_null(lists);
    if (!strstr(outcome.reason, words))
        fail_msg("\"%s\" is not in: %s", words, outcome.reason);
    texts_free(list);
}

static void test_faults(void **state)
{
    (void)state;
    struct filtering filter = {0};
    struct texts *senders = &filter.block_senders;
    expect_fault(senders, &filter, "a@b.example\n\nnobody\n", "/faulty:3: neither an address");
    expect_fault(senders, &filter, "a@b.example c@d.example\n", "/faulty:1: ");
    expect_fault(senders, &filter, "@b_-.example\n", "/faulty:1: ");
    expect_fault(senders, &filter, "*@*.b-.example\n", "/faulty:1: ");
    expect_fault(&filter.allow_clients, &filter, "192.0.2.1\n192.0.2.1/24\n", "/faulty:2: ");
    expect_fault(&filter.block_clients, &filter, "::ffff:192.0.2.1\n", "/faulty:1: IPv4 within");
    expect_fault(&filter.block_helo, &filter, "a b\n", "/faulty:1: ");
    expect_fault(&filter.block_helo, &filter, "*.a b\n", "/faulty:1: an item is one word");
    char line[2000];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    expect_fault(senders, &filter, line, "/faulty:1: the line is too long");
    texts_add(senders, "file:/nonexistent/list");
    struct lists *lists;
    struct outcome outcome = lists_load(&filter, &lists);
    assert_non_null(strstr(outcome.reason, "cannot read the list /nonexistent/list"));
    texts_free(senders);
    texts_add(senders, "file:/dev/null");
    outcome = lists_load(&filter, &lists);
    assert_non_null(strstr(outcome.reason, "/dev/null is no file"));
    filtering_free(&filter);
}

/* ---- however many ---- */

enum { MANY = 100000, FEW = 10 };

static void make_many(struct filtering *filter, unsigned count)
{
    struct buffer senders = {0}, clients = {0}, helo = {0};
    for (unsigned i = 0; i < count; i++) {
        static const char *const forms[] = {"user%u@a.example\n", "@d%u.example\n",
                                            "*@e%u.example\n", "*@*.f%u.example\n"};
        buffer_format(&senders, forms[i % 4], i);
        buffer_format(&clients, i % 2 ? "10.%u.%u.%u\n" : "2001:db8:%x:%x::%x\n", i >> 16,
                      i >> 8 & 255, i & 255);
        buffer_format(&helo, i % 2 ? "h%u.example\n" : "*.h%u.example\n", i);
    }
    texts_add(&filter->block_senders, put_file("senders", buffer_text(&senders)));
    texts_add(&filter->block_clients, put_file("clients", buffer_text(&clients)));
    texts_add(&filter->block_helo, put_file("helo", buffer_text(&helo)));
    buffer_free(&senders);
    buffer_free(&clients);
    buffer_free(&helo);
}

/* All that is asked of the lists for a message. */
static bool ask_all(const struct lists *lists)
{
    static const struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = 0x01020304};
    static const struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr.s6_addr = {0x20}};
    const char *item;
    return lists_client(lists, (const struct sockaddr *)&four) ||
           lists_client(lists, (const struct sockaddr *)&six) ||
           lists_sender(lists, "nobody@of.these.example", &item) ||
           lists_helo(lists, "none.of.these.example", &item);
}

/* Instructions of a child from one stop to the next. */
static unsigned long count_steps(const struct lists *lists)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(1);
        raise(SIGSTOP);
        bool found = ask_all(lists);
        raise(SIGSTOP);
        _exit(found);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status));
    unsigned long steps = 0;
    do {
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        steps++;
    } while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    assert_int_equal(ptrace(PTRACE_CONT, child, NULL, NULL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return steps;
}

static void test_many_cost_no_more_than_few(void **state)
{
    (void)state;
    /* Under memcheck (tests/valgrind) these would be its own steps, some thousand to each. */
    if (getenv("WATCHED"))
        skip();
    unsigned long steps[2];
    const unsigned counts[2] = {FEW, MANY};
    for (size_t i = 0; i < 2; i++) {
        struct filtering filter = {0};
        make_many(&filter, counts[i]);
        struct lists *lists = load(&filter);
        expect_sender(lists, "user0@a.example", LIST_BLOCKS, "user0@a.example");
        expect_sender(lists, "any@sub.f3.example", LIST_BLOCKS, "@*.f3.example");
        expect_helo(lists, "a.h8.example", LIST_BLOCKS);
        steps[i] = count_steps(lists);
        lists_free(lists);
        filtering_free(&filter);
    }
    if (steps[1] > 2 * steps[0])
        fail_msg("%lu steps with few, %lu with many", steps[0], steps[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_senders), cmocka_unit_test(test_clients),
        cmocka_unit_test(test_helo),    cmocka_unit_test(test_files),
        cmocka_unit_test(test_faults),  cmocka_unit_test(test_many_cost_no_more_than_few),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

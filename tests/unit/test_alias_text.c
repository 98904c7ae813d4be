/* The text form of aliases: entries, keys, targets, and what does not parse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "route/alias_target.h"
#include "route/alias_text.h"

/* An open file with this content, at its begin. */
static int open_bytes(const void *data, size_t length)
{
    int fd = memfd_create("aliases", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(file_write(fd, data, length));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* Writes each alias as "line|key|value\n". */
static struct outcome take(void *context, const struct alias *alias)
{
    buffer_format(context, "%u|%s|%s\n", alias->line, alias->key, alias->value);
    return outcome_done();
}

static struct outcome read_bytes(const void *data, size_t length, struct buffer *seen)
{
    int fd = open_bytes(data, length);
    struct outcome outcome = alias_text_read(fd, "FILE", take, seen);
    close(fd);
    return outcome;
}

static void expect(const char *text, const char *right)
{
    struct buffer seen = {0};
    struct outcome outcome = read_bytes(text, strlen(text), &seen);
    if (!outcome_good(&outcome))
        print_error("%s\n", outcome.reason);
    assert_true(outcome_good(&outcome));
    assert_string_equal(buffer_text(&seen), right);
    buffer_free(&seen);
}

static void expect_fault_in(const void *data, size_t length, const char *words)
{
    struct buffer seen = {0};
    struct outcome outcome = read_bytes(data, length, &seen);
    buffer_free(&seen);
    if (outcome_good(&outcome) || !strstr(outcome.reason, words))
        print_error("\"%s\" is not in: %s\n", words, outcome.reason);
    assert_int_equal(outcome.result, LATER);
    assert_string_equal(outcome.status, "4.3.5");
    assert_int_equal(outcome.exit_status, EX_DATAERR);
    assert_non_null(strstr(outcome.reason, words));
}

static void expect_fault(const char *text, const char *words)
{
    expect_fault_in(text, strlen(text), words);
}

static void test_entries(void **state)
{
    (void)state;
    expect("", "");
    expect("# nothing\n\n   \n  # indented\n", "");
    expect("a:b", "1|a|b\n");
    expect("root:\tjoe , Jane@Example.ORG\r\n", "1|root|joe , Jane@Example.ORG\n");
    expect("a: b,\n c,\n\td\nx:y\n", "1|a|b,  c, \td\n4|x|y\n");
    expect("a: b,\n# comment\n\n   # and one\n c\nx: y\n", "1|a|b,  c\n6|x|y\n");
    expect("a: b, \\\nc\\\n\\\nd\n", "1|a|b,  c  d\n");
    expect("a: \"|cmd # :x, y\" , /f\n", "1|a|\"|cmd # :x, y\" , /f\n");
}

static void test_keys(void **state)
{
    (void)state;
    expect("MAILER-DAEMON : x\n", "1|mailer-daemon|x\n");
    expect("\"Joe Smith\": x\n", "1|joe smith|x\n");
    expect("\"a:b\": x\n", "1|a:b|x\n");
    expect("Joe@Example.ORG: x\n@EXAMPLE.org: y\n", "1|joe@example.org|x\n2|@example.org|y\n");
    expect("\"odd name\"@example.org: x\n", "1|odd name@example.org|x\n");
    expect("\"a@b\": x\n", "1|\"a@b\"|x\n");
    expect("joe@m\xC3\xBCnchen.example: x\n", "1|joe@xn--mnchen-3ya.example|x\n");
    expect("j\xC3\xB6rg: x\n", "1|j\xC3\xB6rg|x\n");
    expect("joe@[IPv6:2001:DB8::1]: x\n", "1|joe@[ipv6:2001:db8::1]|x\n");
    expect("joe+Detail: x\n", "1|joe+detail|x\n");
}

static void test_lines_that_do_not_parse(void **state)
{
    (void)state;
    expect_fault("a: b\nno colon\n", "FILE:2: no ':'");
    expect_fault("a: b\n\nx:\n", "FILE:3: no target");
    expect_fault("x: ,,\n", "FILE:1: no target");
    expect_fault(": b\n", "FILE:1: ");
    expect_fault("  a: b\n", "FILE:1: an indented line");
    expect_fault("a: \"b\n", "FILE:1: a quote, comment or bracket");
    expect_fault("\"a: b\n", "FILE:1: a quote, comment or bracket");
    expect_fault("a: b (c\n d\n", "FILE:1: a quote, comment or bracket");
    expect_fault("joe smith: b\n", "FILE:1: a name with blanks");
    expect_fault("joe, jim: b\n", "FILE:1: a name with blanks");
    expect_fault("joe@: b\n", "FILE:1: ");
    expect_fault("@: b\n", "FILE:1: ");
    expect_fault("@a b: b\n", "FILE:1: ");
    expect_fault("a: b\nx: \xFF\n", "FILE:2: the line is not valid UTF-8");
    expect_fault("a: b\x01\n", "FILE:1: the line holds a control character");
    expect_fault_in("a: b\n\nc: \0d\n", 12, "FILE:3: the line holds a NUL byte");
    expect("# latin-1 \xE4 in a comment\na: b\n", "2|a|b\n");
}

static void test_long_lines(void **state)
{
    (void)state;
    size_t length = ALIAS_LINE_LONGEST;
    char *text = memory_get(length * 3 + 16);
    memset(text, 'x', length * 3 + 8);
    memcpy(text, "a: b,", 5);
    text[length] = '\n';
    struct buffer seen = {0};
    struct outcome outcome = read_bytes(text, length + 1, &seen);
    assert_true(outcome_good(&outcome));
    assert_int_equal(seen.length, length - 3 + strlen("1|a|\n"));
    buffer_clear(&seen);
    /* Three such lines are one alias. */
    memcpy(text + length + 1, " ,", 2);
    text[2 * length + 1] = '\n';
    memcpy(text + 2 * length + 2, "\t,", 2);
    outcome = read_bytes(text, length * 3 + 2, &seen);
    assert_true(outcome_good(&outcome));
    assert_true(seen.length > length * 3);
    buffer_free(&seen);
    text[length] = 'x';
    text[length + 1] = '\n';
    expect_fault_in(text, length + 2, "FILE:1: the line has over 1 MiB");
    free(text);
}

static void test_splitting(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        size_t count;
        const char *last;
    } cases[] = {
        {"a", 1, "a"},
        {" a , ,b,", 2, "b"},
        {"\"a, b\", \"|c, \\\"d\"", 2, "\"|c, \\\"d\""},
        {"A <a@b>, \"x, y\" <\"p,>q\"@r>", 2, "\"x, y\" <\"p,>q\"@r>"},
        {"a (b, (c), d), e", 2, "e"},
        {"\\a, \\,b", 2, "\\,b"},
        {"|cmd <x (, /f[, z", 3, "z"},
        {":include:/a,:include:/b", 2, ":include:/b"},
        {"", 0, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct texts targets = {0};
        assert_true(alias_split(cases[i].value, &targets));
        assert_int_equal(targets.count, cases[i].count);
        if (targets.count)
            assert_string_equal(targets.items[targets.count - 1], cases[i].last);
        texts_free(&targets);
    }
    static const char *const open[] = {"\"a", "a (b", "<a", "|x \"y", "a (\\)", "<\">", "\"a\\\""};
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        struct texts targets = {0};
        assert_false(alias_split(open[i], &targets));
        texts_free(&targets);
    }
}

static void test_targets(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum alias_kind kind;
        bool final;
        const char *meaning;
    } cases[] = {
        {"joe", ALIAS_ADDRESS, false, "joe"},
        {"\\joe", ALIAS_ADDRESS, true, "joe"},
        {"\"joe smith\"", ALIAS_ADDRESS, false, "\"joe smith\""},
        {"Joe Smith <joe@Example.org>", ALIAS_ADDRESS, false, "joe@example.org"},
        {"joe@example.org (Joe)", ALIAS_ADDRESS, false, "joe@example.org"},
        {"/var/mail/x y", ALIAS_FILE, false, "/var/mail/x y"},
        {"\"/var/x, y\"", ALIAS_FILE, false, "/var/x, y"},
        {"|/bin/x -a", ALIAS_COMMAND, false, "/bin/x -a"},
        {"\"|/bin/x \\\"a b\\\"\"", ALIAS_COMMAND, false, "/bin/x \"a b\""},
        {"|\"/bin/x -a\"", ALIAS_COMMAND, false, "/bin/x -a"},
        {"|\"/bin/x y\" z", ALIAS_COMMAND, false, "\"/bin/x y\" z"},
        {":include:/etc/list", ALIAS_INCLUDE, false, "/etc/list"},
        {"\":Include: /etc/my list\"", ALIAS_INCLUDE, false, "/etc/my list"},
        {"\"/x\"@example.org", ALIAS_ADDRESS, false, "/x@example.org"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct alias_target target;
        const char *why = "";
        if (!alias_target_parse(cases[i].text, &target, &why))
            fail_msg("%s: %s", cases[i].text, why);
        assert_int_equal(target.kind, cases[i].kind);
        assert_int_equal(target.final, cases[i].final);
        char *address = address_text(&target.address);
        assert_string_equal(target.text ? target.text : address, cases[i].meaning);
        free(address);
        alias_target_free(&target);
    }
    static const char *const bad[] = {"",        "<>", ":include:list", "|",    "a b", "a@",
                                      "joe # x", "\\", "a@b@c",         "\"\"", "a, b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct alias_target target;
        const char *why = NULL;
        if (alias_target_parse(bad[i], &target, &why))
            fail_msg("accepted: %s", bad[i]);
        assert_non_null(why);
        assert_null(target.text);
        assert_null(target.address.local);
    }
}

/* Takes targets apart as well. */
static struct outcome take_apart(void *context, const struct alias *alias)
{
    struct texts targets = {0};
    (void)context;
    assert_true(alias->line > 0 && *alias->key);
    assert_true(alias_split(alias->value, &targets));
    assert_true(targets.count > 0);
    for (size_t i = 0; i < targets.count; i++) {
        struct alias_target target;
        const char *why;
        if (alias_target_parse(targets.items[i], &target, &why))
            alias_target_free(&target);
    }
    texts_free(&targets);
    return outcome_done();
}

static void test_fuzz(void **state)
{
    (void)state;
    static const char seed[] = "# c\nroot: joe, \"|cmd, x\" , /f,\n \\jim, :include:/x\n"
                               "\"a b\"@c.example: <d@e>, F (g) <h@i>\n@j.example: k+l \\\n m\n"
                               "n@[192.0.2.1]: \xC3\xA4@\xC3\xB6.example\n";
    static const char hot[] = "\n:,\"\\<>()[]@+#| \t\r\0\xC3/";
    uint64_t random = 0xD1B54A32D192ED03u;
    for (unsigned round = 0; round < 20000; round++) {
        char text[sizeof seed];
        size_t length = sizeof seed - 1;
        memcpy(text, seed, length);
        for (unsigned change = round % 9 + 1; change; change--) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t at = (random >> 33) % length;
            text[at] = random >> 20 & 1 ? hot[(random >> 24) % (sizeof hot - 1)]
                                        : text[(random >> 40) % length];
            if (random >> 59 == 0)
                length = at + 1;
        }
        int fd = open_bytes(text, length);
        struct outcome outcome = alias_text_read(fd, "FILE", take_apart, NULL);
        close(fd);
        assert_true(outcome_good(&outcome) || strncmp(outcome.reason, "FILE:", 5) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_lines_that_do_not_parse),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_splitting),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_fuzz),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* credentials.conf, password files and commands: who may read them, what is refused, what leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "config/credentials.h"

static char folder[64], path[96], password_path[96], script[96];
static char no_text[] = "", some_name[] = "st2";

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/postrider-credentials-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/credentials.conf", folder);
    snprintf(password_path, sizeof password_path, "%s/password", folder);
    snprintf(script, sizeof script, "%s/a script", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(password_path);
    unlink(script);
    return rmdir(folder);
}

static void put(const char *name, const void *data, size_t length, mode_t mode)
{
    unlink(name); /* what was there may be read-only */
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_true(file_write(fd, data, length));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static struct outcome find(char *name, char *command, struct buffer *secret)
{
    struct smarthost smarthost = {.name = name, .password_command = command};
    return credentials_find(&smarthost, path, secret);
}

static void assert_secret(const struct outcome *outcome, struct buffer *secret, const char *right)
{
    if (!outcome_good(outcome))
        print_error("%s\n", outcome->reason);
    assert_true(outcome_good(outcome));
    assert_string_equal(buffer_text(secret), right);
    assert_int_equal(secret->length, strlen(right));
    buffer_wipe(secret);
}

static void expect_secret(const char *text, char *name, const char *right)
{
    struct buffer secret = {0};
    put(path, text, strlen(text), 0600);
    struct outcome outcome = find(name, no_text, &secret);
    assert_secret(&outcome, &secret, right);
}

/* LATER, with these words, without the password, and nothing in the buffer. */
static void assert_fault(const struct outcome *outcome, struct buffer *secret, const char *status,
                         const char *words)
{
    if (!strstr(outcome->reason, words))
        print_error("\"%s\" is not in: %s\n", words, outcome->reason);
    assert_int_equal(outcome->result, LATER);
    assert_string_equal(outcome->status, status);
    assert_non_null(strstr(outcome->reason, words));
    assert_null(strstr(outcome->reason, "hunter"));
    assert_int_equal(secret->length, 0);
    assert_null(secret->data);
}

static void expect_fault(const char *text, const char *words)
{
    struct buffer secret = {0};
    put(path, text, strlen(text), 0600);
    struct outcome outcome = find(no_text, no_text, &secret);
    assert_fault(&outcome, &secret, "4.3.5", words);
}

static void test_passwords_by_section(void **state)
{
    (void)state;
    static const char text[] = "# both\n[smarthost]\npassword = hunter=2:#;x\n\n"
                               "[smarthost \"st2\"]\npassword: \"quotes stay\"\n";
    expect_secret(text, no_text, "hunter=2:#;x");
    expect_secret(text, some_name, "\"quotes stay\"");
    expect_secret("[smarthost]\r\npassword = p\xC3\xA4ss wort\r\n", no_text, "p\xC3\xA4ss wort");
    expect_secret("[smarthost \"x\"]\n[smarthost]\npassword =;hunter2\n", no_text, ";hunter2");
}

static void test_no_password_for_section(void **state)
{
    (void)state;
    expect_fault("", "no password in section [smarthost]");
    expect_fault("[smarthost]\n[smarthost \"st2\"]\npassword = hunter2\n",
                 "no password in section [smarthost]");
    struct buffer secret = {0};
    unlink(path);
    struct outcome outcome = find(no_text, no_text, &secret);
    assert_fault(&outcome, &secret, "4.3.5", path);
}

static void test_lines_never_quoted(void **state)
{
    (void)state;
    expect_fault("[smarthost]\npassword hunter2\n", "credentials.conf:2: the line is neither");
    expect_fault("[smarthost]\nhunter2 = x\n", ":2: unknown key");
    expect_fault("[hunter2]\n", ":1: unknown section");
    expect_fault("[hunter \"2\"]\n", ":1: unknown section");
    expect_fault("[smarthost]\npassword = x\n hunter2\n", ":3: an indented line");
    expect_fault("[smarthost]\npassword = hunter2\npassword = y\n", ":3: password is given a");
    expect_fault("[smarthost]\npassword = hunter2\npassword_file = y\n", ":3: password and");
    expect_fault("[smarthost]\npassword =\n", ":2: password is empty");
    expect_fault("[smarthost]\npassword = hunter2\n[smarthost]\n", ":3: the section stands");
    expect_fault("[smarthost]\npassword = hunter\xFF\n", ":2: the line is not valid UTF-8");
    expect_fault("[smarthost]\npassword = hun\x01ter\n", ":2: the line holds a control");
    expect_fault("[smarthost \"other\"]\nhunter2\n", ":2: the line is neither");
}

static void test_password_with_comment_sign(void **state)
{
    (void)state;
    expect_fault("[smarthost]\npassword = hunter ;2\n", ":2: white space and a ';'");
    expect_fault("[smarthost]\npassword = ;hunter2\n", ":2: white space and a ';'");
    expect_fault("[smarthost]\npassword = hunter\t; 2\n", ":2: white space and a ';'");
    expect_fault("[smarthost \"other\"]\npassword = hunter ;2\n", ":2: white space and a ';'");
}

static void test_password_over_the_line_limit(void **state)
{
    (void)state;
    char text[600] = "[smarthost]\npassword = ";
    memset(text + strlen(text), 'h', 300);
    expect_fault(text, "name that with password_file");
    static char longest[8192 + 3];
    memset(longest, 'x', 8192);
    put(password_path, longest, 8192, 0600);
    expect_secret("[smarthost]\npassword_file = password\n", no_text, longest);
    memcpy(longest + 8192, "\r\n", 2);
    put(password_path, longest, 8194, 0600);
    longest[8192] = '\0';
    expect_secret("[smarthost]\npassword_file = password\n", no_text, longest);
    longest[8192] = 'x';
    put(password_path, longest, 8193, 0600);
    expect_fault("[smarthost]\npassword_file = password\n", "over 8192 bytes");
    memset(longest, 'x', sizeof longest);
    put(password_path, longest, sizeof longest, 0600);
    expect_fault("[smarthost]\npassword_file = password\n", "over 8192 bytes");
}

static void test_password_file(void **state)
{
    (void)state;
    char text[160];
    snprintf(text, sizeof text, "[smarthost]\npassword_file = %s\n", password_path);
    put(password_path, " hunter ;2 \r\nmore\n", 17, 0400);
    expect_secret(text, no_text, " hunter ;2 ");
    put(password_path, "hunter2", 7, 0600);
    expect_secret("[smarthost]\npassword_file = password\n", no_text, "hunter2");
    put(password_path, "\nhunter2\n", 9, 0600);
    expect_fault(text, "gives an empty password");
    put(password_path, "", 0, 0600);
    expect_fault(text, "is empty");
    put(password_path, "hunter\0002\n", 9, 0600);
    expect_fault(text, "NUL");
    unlink(password_path);
    expect_fault(text, password_path);
    expect_fault("[smarthost]\npassword_file = /dev/null\n", "/dev/null is not a file");
}

static void test_files_open_to_others(void **state)
{
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644};
    static const char text[] = "[smarthost]\npassword = hunter2\n";
    struct buffer secret = {0};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        put(path, text, sizeof text - 1, modes[i]);
        struct outcome outcome = find(no_text, no_text, &secret);
        assert_fault(&outcome, &secret, "4.7.0", "chmod 600 ");
        assert_int_equal(outcome.exit_status, EX_NOPERM);
    }
    static const char named[] = "[smarthost]\npassword_file = password\n";
    put(path, named, sizeof named - 1, 0600);
    put(password_path, "hunter2\n", 8, 0640);
    struct outcome outcome = find(no_text, no_text, &secret);
    assert_fault(&outcome, &secret, "4.7.0", "password is open to group or others: chmod 600 ");
}

/* Another user's file; root alone can make one, so that others look at a file of root's. */
static void test_owner(void **state)
{
    (void)state;
    static const char text[] = "[smarthost]\npassword = hunter2\n";
    struct buffer secret = {0};
    put(path, text, sizeof text - 1, 0600);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
        struct outcome outcome = find(no_text, no_text, &secret);
        assert_fault(&outcome, &secret, "4.7.0", "belongs to another user (id 12345)");
        assert_int_equal(chown(path, 0, (gid_t)-1), 0);
        assert_int_equal(seteuid(12345), 0);
        outcome = find(no_text, no_text, &secret);
        assert_int_equal(seteuid(0), 0);
        assert_fault(&outcome, &secret, "4.7.0", "must belong to the present user (id 12345)");
    }
    struct outcome outcome = find(no_text, no_text, &secret);
    assert_secret(&outcome, &secret, "hunter2");
}

static struct outcome run(const char *body, struct buffer *secret)
{
    char text[512], command[256];
    snprintf(text, sizeof text, "#!/bin/sh\n%s\n", body);
    put(script, text, strlen(text), 0700);
    snprintf(command, sizeof command, "\"%s\" 'one' \"two $HOME\"", script);
    unlink(path);
    return find(no_text, command, secret);
}

static void test_password_command(void **state)
{
    (void)state;
    struct buffer secret = {.limit = 100};
    struct outcome outcome = run("echo \"$# $1 $2\"", &secret);
    assert_secret(&outcome, &secret, "2 'one' two $HOME");
    assert_int_equal(secret.limit, 100);
    outcome = run("printf hunter2", &secret);
    assert_secret(&outcome, &secret, "hunter2");
    outcome = run("echo hunter2; exit 3", &secret);
    assert_fault(&outcome, &secret, "4.3.5", "ended with status 3");
    outcome = run("echo hunter; echo 2", &secret);
    assert_fault(&outcome, &secret, "4.3.5", "more than one line");
    outcome = run("echo", &secret);
    assert_fault(&outcome, &secret, "4.3.5", "empty password");
    outcome = run("exit 0", &secret);
    assert_fault(&outcome, &secret, "4.3.5", "empty password");
    outcome = run("yes hunter2 | tr -d '\\n' | head -c 20000", &secret);
    assert_fault(&outcome, &secret, "4.3.5", "printed more than");
    outcome = run("printf 'hunter\\0002'", &secret);
    assert_fault(&outcome, &secret, "4.3.5", "NUL");
}

/* How often bytes stand in this process's own memory. */
static size_t count_in_memory(const char *wanted, size_t length)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    assert_non_null(maps);
    assert_true(memory >= 0);
    static char block[65536 + 64];
    char line[512];
    size_t count = 0;
    while (fgets(line, sizeof line, maps)) {
        unsigned long begin, end;
        char mode[8];
        assert_int_equal(sscanf(line, "%lx-%lx %7s", &begin, &end, mode), 3);
        /* What is larger than that is a sanitizer's own. */
        if (mode[1] != 'w' || end - begin > 1ul << 28)
            continue;
        for (unsigned long at = begin; at < end; at += 65536) {
            size_t most = end - at < sizeof block ? end - at : sizeof block;
            ssize_t got = pread(memory, block, most, (off_t)at);
            const char *hit = block, *behind = got > 0 ? block + got : block;
            while ((hit = memmem(hit, (size_t)(behind - hit), wanted, length)) &&
                   hit < block + 65536) {
                /* Neither the wanted bytes themselves nor the block that they were read to. */
                const char *where = (const char *)at + (hit - block);
                count += where != wanted && (where < block || where >= block + sizeof block);
                hit++;
            }
        }
    }
    memory_wipe(block, sizeof block);
    close(memory);
    fclose(maps);
    return count;
}

/* The password is nowhere else in memory while it is in use, and nowhere at all afterwards. */
static void test_nothing_stays_in_memory(void **state)
{
    (void)state;
    char wanted[25], text[64];
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof wanted - 1; i++)
            wanted[i] = (char)('a' + (i * 7 + round * 5 + (size_t)getpid()) % 26);
        wanted[sizeof wanted - 1] = '\0';
        char command[128] = "";
        size_t length = (size_t)snprintf(text, sizeof text, "[smarthost]\npassword = %s\n", wanted);
        if (round == 0) {
            put(path, text, length, 0600);
        } else {
            put(password_path, wanted, strlen(wanted), 0600);
            put(path, "[smarthost]\npassword_file = password\n", 37, 0600);
        }
        if (round == 2)
            snprintf(command, sizeof command, "/bin/cat %s", password_path);
        memory_wipe(text, sizeof text);
        struct buffer secret = {0};
        struct outcome outcome = find(no_text, command, &secret);
        assert_true(outcome_good(&outcome));
        assert_string_equal(buffer_text(&secret), wanted);
        assert_int_equal(count_in_memory(wanted, strlen(wanted)), 1);
        buffer_wipe(&secret);
        assert_int_equal(count_in_memory(wanted, strlen(wanted)), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passwords_by_section),
        cmocka_unit_test(test_no_password_for_section),
        cmocka_unit_test(test_lines_never_quoted),
        cmocka_unit_test(test_password_with_comment_sign),
        cmocka_unit_test(test_password_over_the_line_limit),
        cmocka_unit_test(test_password_file),
        cmocka_unit_test(test_files_open_to_others),
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_password_command),
        cmocka_unit_test(test_nothing_stays_in_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

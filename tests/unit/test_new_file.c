/* Files that are whole or not there: what stands beside them when somebody died, or is at work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"

static char folder[] = "/tmp/postrider-new-file-XXXXXX";
static char path[64], temporary[64];

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    snprintf(temporary, sizeof temporary, "%s/file.new", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    unlink(temporary);
    return rmdir(folder);
}

static void put(const char *where, const char *text)
{
    int fd = open(where, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && file_write(fd, text, strlen(text)));
    close(fd);
}

static void assert_text(const char *text)
{
    struct buffer content = {0};
    struct outcome outcome = file_load(path, &content);
    assert_true(outcome_good(&outcome));
    assert_string_equal(buffer_text(&content), text);
    buffer_free(&content);
    assert_int_equal(access(temporary, F_OK), -1);
}

static void make(const char *text, bool replace, int status)
{
    struct new_file file;
    struct outcome outcome = file_begin(path, &file);
    assert_true(outcome_good(&outcome));
    assert_true(file_write(file.fd, text, strlen(text)));
    outcome = file_commit(&file, replace);
    assert_int_equal(outcome.exit_status, status);
}

static void test_it_replaces_or_is_refused(void **state)
{
    (void)state;
    make("one", false, EX_OK);
    assert_text("one");
    make("two", false, EX_CANTCREAT);
    assert_text("one");
    make("three", true, EX_OK);
    assert_text("three");
}

static void test_Q1_what_a_crash_left_is_taken_away(void **state)
{
    (void)state;
    put(path, "old");
    put(temporary, "half of something");
    make("new", true, EX_OK);
    assert_text("new");
    put(temporary, "half of something");
    struct new_file file;
    struct outcome outcome = file_begin(path, &file);
    assert_true(outcome_good(&outcome));
    file_drop(&file);
    assert_text("new");
}

/* It is no link, which could lead anywhere. */
static void test_a_link_in_the_way_is_not_followed(void **state)
{
    (void)state;
    put(path, "old");
    assert_int_equal(symlink(path, temporary), 0);
    struct new_file file;
    struct outcome outcome = file_begin(path, &file);
    assert_int_equal(outcome.exit_status, EX_TEMPFAIL);
    assert_non_null(strstr(outcome.reason, "file.new is in the way"));
    unlink(temporary);
    assert_text("old");
}

static void test_one_that_is_at_work_is_waited_for(void **state)
{
    (void)state;
    struct new_file file;
    struct outcome outcome = file_begin(path, &file);
    assert_true(outcome_good(&outcome));
    pid_t pid = fork();
    if (pid == 0) {
        /* The lock goes with the last descriptor, which the parent has as well. */
        close(file.fd);
        make("second", true, EX_OK);
        _exit(0);
    }
    usleep(100000);
    assert_true(file_write(file.fd, "first", 5));
    outcome = file_commit(&file, true);
    assert_true(outcome_good(&outcome));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_text("second");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_replaces_or_is_refused),
        cmocka_unit_test(test_Q1_what_a_crash_left_is_taken_away),
        cmocka_unit_test(test_a_link_in_the_way_is_not_followed),
        cmocka_unit_test(test_one_that_is_at_work_is_waited_for),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

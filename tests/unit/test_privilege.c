/* What is left of root's rights when they have been given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/privilege.h"
#include "base/process.h"

enum { GOOD = 0, NOT_GIVEN_UP, SOME_ARE_LEFT, OPENED, BECAME, BROUGHT_BACK };

/* Whether a line of /proc/self/status, such as "CapEff", is all zeros. */
static bool is_nothing(const char *name)
{
    char line[256];
    bool nothing = false;
    FILE *status = fopen("/proc/self/status", "re");
    size_t length = strlen(name);
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            nothing = strspn(line + length + 1, "\t 0\n") == strlen(line + length + 1);
    if (status)
        fclose(status);
    return nothing;
}

/* In a child; path: a file of another user, closed to all others. */
static int look(const char *path)
{
    struct outcome outcome = privilege_drop_capabilities();
    if (!outcome_good(&outcome))
        return NOT_GIVEN_UP;
    if (!is_nothing("CapInh") || !is_nothing("CapPrm") || !is_nothing("CapEff") ||
        !is_nothing("CapAmb"))
        return SOME_ARE_LEFT;
    if (geteuid() == 0 && !is_nothing("CapBnd"))
        return SOME_ARE_LEFT;
    if (open(path, O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
        return OPENED;
    if (geteuid() == 0 && (chown(path, 0, 0) == 0 || setuid(12345) == 0))
        return BECAME;
    /* Root's programs would get them back, were it not for no_new_privs and the empty bounding set.
     */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && geteuid() == 0) {
        char *const argv[] = {(char[]){"/bin/cat"}, (char *)path, NULL};
        pid_t pid = fork();
        if (pid == 0) {
            process_forget_standard_files();
            execv(argv[0], argv);
            _exit(0);
        }
        if (process_wait(pid) == 0)
            return BROUGHT_BACK;
    }
    /* Once more is no harm. */
    outcome = privilege_drop_capabilities();
    return outcome_good(&outcome) ? GOOD : NOT_GIVEN_UP;
}

static void test_no_capability_is_left(void **state)
{
    (void)state;
    char path[] = "/tmp/postrider-privilege-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    /* Without root it is our own, and closed to us as well. */
    assert_int_equal(fchmod(fd, geteuid() == 0 ? 0600 : 0), 0);
    if (geteuid() == 0)
        assert_int_equal(fchown(fd, 12345, 12345), 0);
    close(fd);
    pid_t pid = fork();
    if (pid == 0)
        _exit(look(path));
    int status = process_wait(pid);
    unlink(path);
    assert_int_equal(status, GOOD);
}

/* As it is after a change of ids where fs.suid_dumpable is not 0. */
static void test_no_core_is_left_with_the_ids(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
            _exit(SOME_ARE_LEFT);
        struct outcome outcome = privilege_drop_group();
        _exit(outcome_good(&outcome) ? prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) : NOT_GIVEN_UP);
    }
    assert_int_equal(process_wait(pid), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_capability_is_left),
        cmocka_unit_test(test_no_core_is_left_with_the_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

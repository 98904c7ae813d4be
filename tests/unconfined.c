/*
 * For builds in which something watches the programs from within (COVERAGE=1, VALGRIND=1): it opens
 * files and makes system calls that no sandbox of ours allows (base/sandbox.h). The programs go
 * through all of it, and the kernel is neither told nor asked: memcheck does not know these calls.
 * Never in a build that is installed or shown to peers; what proves the sandbox is not run with
 * these. Ours come before the C library's.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_ARGUMENTS = 6, LANDLOCK_SAID = 4 /* the version of its interface */ };

/* The C library's own. */
static long call(long number, const long arguments[])
{
    static long (*next)(long, ...);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "syscall");
    return next(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                arguments[5]);
}

static void take(va_list list, int count, long arguments[])
{
    for (int i = 0; i < count; i++)
        arguments[i] = va_arg(list, long);
}

long syscall(long number, ...)
{
    long arguments[MOST_ARGUMENTS];
    va_list list;
    va_start(list, number);
    take(list, MOST_ARGUMENTS, arguments);
    va_end(list);
    if (number == SYS_landlock_create_ruleset)
        return arguments[2] & LANDLOCK_CREATE_RULESET_VERSION
                   ? LANDLOCK_SAID
                   : open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (number == SYS_landlock_add_rule || number == SYS_landlock_restrict_self)
        return 0;
    if (number == SYS_seccomp) { /* libseccomp asks what there is */
        errno = EINVAL;
        return arguments[0] == SECCOMP_GET_ACTION_AVAIL ? 0 : -1;
    }
    return call(number, arguments);
}

int prctl(int option, ...)
{
    long arguments[MOST_ARGUMENTS] = {option};
    va_list list;
    va_start(list, option);
    take(list, 4, arguments + 1);
    va_end(list);
    return option == PR_SET_SECCOMP ? 0 : (int)call(SYS_prctl, arguments);
}

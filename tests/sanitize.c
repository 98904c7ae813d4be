/*
 * What the sanitizers do in a SANITIZE=1 build. A runner in the background, started with a clean
 * environment and no terminal, reports too: every finding becomes a file below POSTRIDER_REPORTS,
 * and tests/run wants that folder empty. Undefined behaviour traps, and ASan reports the trap: the
 * UBSan runtime itself would write to standard error alone.
 */
#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 2: not even our own return to default signal handlers takes these away. */
#define FOUND                                                                                      \
    "exitcode=99:max_free_fill_size=65536:"                                                        \
    "handle_sigill=2:handle_segv=2:handle_sigbus=2:handle_sigfpe=2:"
#define TO_FILE "log_path=" POSTRIDER_REPORTS "/report:"

const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    /* A user to whom the folder is closed has the finding on standard error, and its status.
     * Looking for leaks takes ptrace on ourselves, which a process that must not dump core may do
     * as root only. */
    if (geteuid() == 0)
        return FOUND TO_FILE "detect_leaks=1";
    return access(POSTRIDER_REPORTS, W_OK | X_OK) == 0 ? FOUND TO_FILE "detect_leaks=0"
                                                       : FOUND "detect_leaks=0";
}

/* Who locks himself in (base/sandbox.h) can open no file any more: a place for findings is opened
 * right before. Ours comes before the C library's. */
int prctl(int option, ...)
{
    unsigned long arguments[4];
    va_list list;
    va_start(list, option);
    for (int i = 0; i < 4; i++)
        arguments[i] = va_arg(list, unsigned long);
    va_end(list);
    if (option == PR_SET_NO_NEW_PRIVS) {
        int fd = open(POSTRIDER_REPORTS "/report.sandboxed",
                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (fd >= 0)
            __sanitizer_set_report_fd((void *)(intptr_t)fd);
    }
    return (int)syscall(SYS_prctl, option, arguments[0], arguments[1], arguments[2], arguments[3]);
}

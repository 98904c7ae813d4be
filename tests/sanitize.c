/*
 * What the sanitizers do in a SANITIZE=1 build. A runner in the background, started with a clean
 * environment and no terminal, reports too: every finding becomes a file below POSTRIDER_REPORTS,
 * and tests/run wants that folder empty. Undefined behaviour traps, and ASan reports the trap: the
 * UBSan runtime itself would write to standard error alone.
 */
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

/* What a process inherits, and the programs that it starts. */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

void process_settle(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd < 0) {
        dprintf(STDERR_FILENO, "cannot open /dev/null: %s\n", strerror(errno));
        _exit(EX_OSERR);
    }
    close(fd);

    struct itimerval off = {0};
    setitimer(ITIMER_REAL, &off, NULL);
    setitimer(ITIMER_VIRTUAL, &off, NULL);
    setitimer(ITIMER_PROF, &off, NULL);
    /* One that waits for its mask to be lifted is the caller's matter, such as his timer's: being
     * ignored, it is dropped. */
    sigset_t waiting;
    if (sigpending(&waiting) < 0)
        sigemptyset(&waiting);
    /* Signals from SIGRTMIN on are for those who agree about them. */
    for (int number = 1; number < SIGRTMIN; number++)
        if (number != SIGKILL && number != SIGSTOP) {
            if (sigismember(&waiting, number) == 1)
                signal(number, SIG_IGN);
            signal(number, SIG_DFL);
        }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_DUMPABLE, 0);
}

int process_handed_over(void)
{
    enum { MOST = 64 };
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    uint64_t number, many;
    if (!pid || !count || !text_to_number(pid, 1, INT32_MAX, &number) ||
        (pid_t)number != getpid() || !text_to_number(count, 1, MOST, &many))
        return 0;
    return (int)many;
}

void process_close_from(int first)
{
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0)
        return;
    struct rlimit limit = {0, 0};
    getrlimit(RLIMIT_NOFILE, &limit);
    int end = limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
    for (int fd = first; fd < end; fd++)
        close(fd);
}

void process_forget_standard_files(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++)
        if (null < 0 || dup2(null, fd) < 0)
            close(fd);
    file_close(&null);
}

void process_forget_files(void)
{
    process_forget_standard_files();
    process_close_from(3);
}

int process_end(const char *name, struct outcome outcome)
{
    struct outcome written = outcome_done();
    if (fflush(stdout) != 0 || ferror(stdout))
        written = outcome_refuse(EX_IOERR, "cannot write to standard output: %s", strerror(errno));
    if (!outcome_good(&outcome) && *outcome.reason) /* else all was said before */
        fprintf(stderr, "%s: %s\n", name, outcome.reason);
    if (!outcome_good(&written))
        fprintf(stderr, "%s: %s\n", name, written.reason);
    if (outcome_good(&outcome))
        outcome = written;
    return outcome_good(&outcome) ? EX_OK : outcome.exit_status;
}

int process_wait_for(pid_t pid, int *signal)
{
    int status;
    *signal = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return EX_OSERR;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    *signal = WTERMSIG(status);
    return 128 + *signal;
}

int process_wait(pid_t pid)
{
    int signal;
    return process_wait_for(pid, &signal);
}

/* failure: where errno goes if it cannot be started. */
static void become_program(char *const argv[], int output, int failure)
{
    int null = open("/dev/null", O_RDONLY);
    int told = fcntl(failure, F_DUPFD_CLOEXEC, 10); /* none of the four below */
    if (null < 0 || told < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 ||
        dup3(told, 3, O_CLOEXEC) < 0)
        _exit(EX_OSERR);
    process_close_from(4);
    setpgid(0, 0);
    /* Being apart, it does not hear a person's Ctrl-C: it goes with us. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    execv(argv[0], argv);
    int error = errno;
    file_write(3, &error, sizeof error);
    _exit(EX_UNAVAILABLE);
}

/* False when the time is over or a read fails. */
static bool read_until_end(int fd, struct buffer *output, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - clock_ms();
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        int ready = left > 0 ? poll(&poller, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        char block[4096];
        ssize_t count = read(fd, block, sizeof block);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count == 0;
        buffer_append(output, block, (size_t)count);
        explicit_bzero(block, sizeof block);
        if (output->failed)
            return false;
    }
}

/* Whether the child is over by then; it is left to be waited for. */
static bool ends_before(pid_t pid, int64_t deadline)
{
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid)
            return true;
        if (clock_ms() >= deadline)
            return false;
        struct timespec pause = {.tv_nsec = 5000000};
        nanosleep(&pause, NULL);
    }
}

struct outcome process_capture(char *const argv[], struct buffer *output, int limit_ms)
{
    int ends[2], told[2] = {-1, -1}, error = 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return outcome_errno(errno, "cannot run %s", argv[0]);
    pid_t pid = pipe2(told, O_CLOEXEC) < 0 ? -1 : fork();
    if (pid < 0) {
        error = errno;
        close(ends[0]);
        close(ends[1]);
        file_close(&told[0]);
        file_close(&told[1]);
        return outcome_errno(error, "cannot run %s", argv[0]);
    }
    if (pid == 0)
        become_program(argv, ends[1], told[1]);
    close(ends[1]);
    file_close(&told[1]);
    int64_t deadline = clock_ms() + limit_ms;
    bool complete = read_until_end(ends[0], output, deadline);
    close(ends[0]);
    complete = complete && ends_before(pid, deadline);
    if (!complete) {
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
    }
    int status = process_wait(pid);
    bool started = file_read(told[0], &error, sizeof error) != sizeof error;
    file_close(&told[0]);
    if (!started)
        return outcome_later("4.3.5", "cannot start %s: %s", argv[0], strerror(error));
    if (output->failed)
        return outcome_later("4.3.5", "%s printed more than %zu bytes", argv[0], output->limit);
    if (!complete)
        return outcome_later("4.3.5", "%s did not end within %d seconds", argv[0], limit_ms / 1000);
    if (status != 0)
        return outcome_later("4.3.5", "%s ended with status %d", argv[0], status);
    return outcome_done();
}

const char *process_folder(void)
{
    static char path[PATH_MAX];
    if (*path)
        return path;
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    /* Where there is no /proc: the path that it was started by, good as long as nobody has left the
     * folder that it may count from. */
    const char *started = (const char *)getauxval(AT_EXECFN);
    if (length <= 0 && (!started || !realpath(started, path)))
        *path = '\0';
    else if (length > 0)
        path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return path;
}

void process_find(const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", process_folder(), name);
    if (access(path, X_OK) < 0)
        snprintf(path, size, "%s/%s", POSTRIDER_LIBEXECDIR, name);
}

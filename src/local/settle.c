/*
 * What every job begins with. Whoever called us may have set a trap: from here on nothing of his is
 * left but his user id, the arguments, three open files, and what the kernel passes on for good.
 */
#include "local/local.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    TIMER_SLACK = 50000,    /* nanoseconds, as the first process has it */
    IOPRIO_WHO_PROCESS = 1, /* of ioprio_set(2), which the C library has no words for */
    IOPRIO_BY_NICENESS = 0
};

void forget_files(void)
{
    if (syscall(SYS_close_range, 3, ~0u, 0) < 0)
        for (int fd = 3; fd < 65536; fd++)
            close(fd);
}

/* No file of ours may get one of the numbers 0 to 2. */
static void fill_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            end(EX_OSERR, "cannot open /dev/null: %s", strerror(errno));
}

static void fresh_signals(void)
{
    sigset_t nothing, waiting;
    const struct itimerval off = {0};
    setitimer(ITIMER_REAL, &off, NULL);
    setitimer(ITIMER_VIRTUAL, &off, NULL);
    setitimer(ITIMER_PROF, &off, NULL);
    if (sigpending(&waiting) < 0)
        sigemptyset(&waiting);
    for (int number = 1; number < NSIG; number++) {
        bool ignored = number == SIGPIPE || number == SIGXFSZ;
        /* Being ignored drops one that waits for its mask to be lifted. */
        if (ignored || sigismember(&waiting, number) == 1)
            signal(number, SIG_IGN);
        if (!ignored)
            signal(number, SIG_DFL);
    }
    sigemptyset(&nothing);
    sigprocmask(SIG_SETMASK, &nothing, NULL);
}

/* Its words are wiped as well: what may be a secret there is none of ours to keep. */
static void fresh_environment(void)
{
    for (char **each = environ; each && *each; each++)
        explicit_bzero(*each, strlen(*each));
    clearenv();
}

/*
 * What the caller was limited to is lifted. A container may keep even root from lifting a hard
 * limit (no CAP_SYS_RESOURCE); then there is what there is.
 */
void set_limit(int kind, rlim_t wanted, rlim_t most)
{
    struct rlimit limit = {wanted, most}, here;
    if (setrlimit(kind, &limit) == 0)
        return;
    if (getrlimit(kind, &here) < 0)
        end(EX_OSERR, "cannot read a limit: %s", strerror(errno));
    here.rlim_cur = wanted < here.rlim_max ? wanted : here.rlim_max;
    if (setrlimit(kind, &here) < 0)
        end(EX_OSERR, "cannot reset a limit: %s", strerror(errno));
}

/* least: no machine gives its users less, but a user may give himself less. */
static const struct {
    int kind;
    const char *what;
    rlim_t wanted, most, least;
} limits[] = {{RLIMIT_FSIZE, "size of files", RLIM_INFINITY, RLIM_INFINITY, 64 << 20},
              {RLIMIT_CPU, "processor time", RLIM_INFINITY, RLIM_INFINITY, 600},
              {RLIMIT_AS, "address space", RLIM_INFINITY, RLIM_INFINITY, 256 << 20},
              {RLIMIT_DATA, "memory", RLIM_INFINITY, RLIM_INFINITY, 64 << 20},
              {RLIMIT_NPROC, "processes", RLIM_INFINITY, RLIM_INFINITY, 64},
              {RLIMIT_STACK, "stack", 8 << 20, RLIM_INFINITY, 1 << 20},
              {RLIMIT_NOFILE, "open files", 1024, 1024, 64}};

static void fresh_limits(void)
{
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        set_limit(limits[i].kind, limits[i].wanted, limits[i].most);
}

void check_limits(void)
{
    struct rlimit here;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (getrlimit(limits[i].kind, &here) < 0 || here.rlim_cur < limits[i].least)
            end(EX_TEMPFAIL,
                "the caller's limit (%s) is too low for other people's mail and cannot be lifted "
                "(no CAP_SYS_RESOURCE): the queue is left to the next run",
                limits[i].what);
}

/*
 * With a slack of its caller's a run would sleep for as long as he likes. What cannot be changed
 * here is as the machine has it.
 */
static void fresh_priorities(void)
{
    const struct sched_param usual = {0};
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    setpriority(PRIO_PROCESS, 0, 0);
    sched_setscheduler(0, SCHED_OTHER, &usual);
    sched_setaffinity(0, sizeof all, &all);
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_BY_NICENESS);
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK, 0, 0, 0);
    personality(PER_LINUX);
}

/* Whoever wants his own processes to go first when memory is short does not mean this one. */
static void fresh_worth(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, "0", 1) != 1)
        errno = 0; /* without /proc, or in a container that does not let us: as it is */
    close(fd);
}

void leave_no_core(void)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void settle(void)
{
    forget_files();
    /* Who has no more rights than his caller keeps to what that one may use. */
    if (geteuid() == 0) {
        fresh_limits();
        fresh_priorities();
        fresh_worth();
    }
    set_limit(RLIMIT_CORE, 0, 0);
    leave_no_core();
    fill_descriptors();
    fresh_signals();
    fresh_environment();
    umask(077);
    if (chdir("/") < 0)
        end(EX_OSERR, "cannot go to /");
}

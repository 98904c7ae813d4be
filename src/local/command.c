/*
 * Becomes the user for commands of aliases and runs one, in a session and an environment of its
 * own: nothing of the message, its addresses or our caller gets there but by standard input. We
 * stay to look after it, for nobody else has the right to end it; by then we have no more rights
 * than it.
 */
#include "local/local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { MOST_OUTPUT = 2048 /* bytes that are passed on */, MOST_SECONDS = 7 * 24 * 60 * 60 };

static char output[MOST_OUTPUT];
static size_t output_length;

static long read_seconds(const char *text)
{
    char *rest;
    errno = 0;
    long seconds = strtol(text, &rest, 10);
    if (errno || rest == text || *rest || seconds <= 0 || seconds > MOST_SECONDS)
        end(EX_USAGE, "SECONDS is not a time");
    return seconds;
}

static char *variable(const char *name, const char *value)
{
    char *text;
    if (asprintf(&text, "%s=%s", name, value) < 0)
        end(EX_OSERR, "out of memory");
    return text;
}

/* In the child. An errno goes to failure when the program cannot be started. */
static _Noreturn void start(const struct target_user *user, long seconds, int out, int failure,
                            char *const argv[])
{
    char *const environment[] = {(char[]){"PATH=/usr/local/bin:/usr/bin:/bin"},
                                 (char[]){"SHELL=/bin/sh"},
                                 variable("HOME", user->home),
                                 variable("USER", user->name),
                                 variable("LOGNAME", user->name),
                                 NULL};
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    const struct rlimit processor = {(rlim_t)seconds, (rlim_t)seconds};
    if (setsid() >= 0 && chdir("/") == 0 && dup2(out, 1) >= 0 && dup2(out, 2) >= 0 &&
        sigprocmask(SIG_SETMASK, &none, NULL) == 0 && setrlimit(RLIMIT_CPU, &processor) == 0)
        execve(argv[0], argv, environment);
    int error = errno;
    (void)!write(failure, &error, sizeof error);
    _exit(EX_OSERR);
}

/* Takes what is there; more than fits is read as well, so that nobody waits for us. 0: no more. */
static int take_output(int fd)
{
    char block[4096];
    ssize_t count = read(fd, block, sizeof block);
    if (count < 0)
        return errno == EINTR || errno == EAGAIN;
    size_t room = sizeof output - output_length;
    size_t length = (size_t)count < room ? (size_t)count : room;
    memcpy(output + output_length, block, length);
    output_length += length;
    return count > 0;
}

static long milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * Until it has ended; its wait status, or -1 when the time is over. What it left in the background
 * may keep the pipe open for ever, and is not waited for.
 */
static int watch(pid_t pid, int out, int ended, long seconds)
{
    long until = milliseconds() + seconds * 1000;
    struct pollfd sources[] = {{.fd = ended, .events = POLLIN}, {.fd = out, .events = POLLIN}};
    for (;;) {
        int status;
        if (waitpid(pid, &status, WNOHANG) == pid) {
            for (int rounds = 0; sources[1].fd >= 0 && rounds < 64 && poll(&sources[1], 1, 0) > 0;
                 rounds++)
                if (!take_output(out))
                    break;
            return status;
        }
        long left = until - milliseconds();
        if (left <= 0)
            return -1;
        if (poll(sources, 2, (int)left) <= 0)
            continue;
        struct signalfd_siginfo news;
        if (sources[0].revents)
            (void)!read(ended, &news, sizeof news);
        if (sources[1].revents && !take_output(out))
            sources[1].fd = -1;
    }
}

static _Noreturn void finish(int status, pid_t pid, long seconds)
{
    (void)!write(1, output, output_length);
    if (status == -1) {
        kill(-pid, SIGKILL);
        end(EX_TEMPFAIL, "the command did not end within %ld seconds and was ended", seconds);
    }
    if (WIFSIGNALED(status))
        end(EX_TEMPFAIL, "the command was ended by signal %d", WTERMSIG(status));
    _exit(WEXITSTATUS(status));
}

/* A descriptor that becomes readable when the child has ended. */
static int watch_children(void)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (sigprocmask(SIG_SETMASK, &child, NULL) < 0)
        return -1;
    return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

void run_command(const char *name, const char *seconds_text, char *const argv[])
{
    long seconds = read_seconds(seconds_text);
    struct target_user user = find_target_user(name, "alias_commands");
    if (argv[0][0] != '/')
        end(EX_CONFIG, "the command is not an absolute path");
    if (is_privileged())
        become(user.uid, user.gid);
    ignore_signals();
    forget_files();
    int out[2], failure[2], ended = watch_children(),
                            null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (ended < 0 || null < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(failure, O_CLOEXEC) < 0)
        end(EX_OSERR, "cannot run the command: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        end(EX_OSERR, "cannot run the command: %s", strerror(errno));
    if (pid == 0)
        start(&user, seconds, out[1], failure[1], argv);
    /* Only the command holds the message now: whoever writes it sees the end of that. */
    if (dup2(null, 0) < 0)
        end(EX_OSERR, "cannot run the command: %s", strerror(errno));
    close(out[1]);
    close(failure[1]);
    int error;
    if (read(failure[0], &error, sizeof error) == sizeof error)
        end(EX_OSERR, "cannot start %s: %s", argv[0], strerror(error));
    finish(watch(pid, out[0], ended, seconds), pid, seconds);
}

/*
 * Starts the queue runner, or a session for a local user, as the queue's user, with nothing left of
 * the caller but what the kernel passes on for good: the caller can neither stop it, nor limit it,
 * nor choose its environment. A session hears its caller alone, and ends with him.
 */
#include "local/local.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    MOST_PROCESSES = 512, /* of the queue's user, when one more session begins */
    MOST_ARGUMENTS = 16,
    OUR_ARGUMENTS = 3
};

/* What the runner believes about its caller, no caller may say; the installed settings are fixed.
 */
static int is_refused(const char *argument)
{
    return argument[0] == '\0' || strncmp(argument, "-C", 2) == 0 ||
           strncmp(argument, "--for", 5) == 0;
}

/* arguments: behind those that say for whom. */
static void start(const char *path, char *const arguments[]) __attribute__((noreturn));
static void start(const char *path, char *const arguments[])
{
    if (geteuid() != 0)
        end(EX_NOPERM, "this program has no set-user-ID bit, or the caller may gain no rights "
                       "(NoNewPrivileges): nothing was started");
    const struct passwd *user = getpwnam(POSTRIDER_USER);
    if (!user || user->pw_uid == 0)
        end(EX_OSERR, "there is no user " POSTRIDER_USER);

    char caller[24];
    snprintf(caller, sizeof caller, "%lu", (unsigned long)getuid());
    char *argv[OUR_ARGUMENTS + MOST_ARGUMENTS + 1] = {strrchr(path, '/') + 1, "--for", caller};
    for (size_t i = 0; i < MOST_ARGUMENTS && arguments[i]; i++)
        argv[OUR_ARGUMENTS + i] = arguments[i];
    static char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", NULL};
    umask(027);
    forget_files(); /* a look-up of users may have left some */
    become(user->pw_uid, user->pw_gid);
    execve(path, argv, environment);
    /* EAGAIN: the user has too many processes. */
    end(errno == EAGAIN ? EX_TEMPFAIL : EX_OSERR, "cannot start %s: %s", path, strerror(errno));
}

/*
 * From his terminal the caller could stop us, whoever we are. The leader of a process group stays
 * in its session, and who takes the place of our parent can make us one, by setpgid(2).
 */
static void leave_terminal(void)
{
    if (setsid() < 0 && getsid(0) != getpid())
        end(EX_OSERR, "a queue run cannot leave the session of its caller, who leads it");
}

/*
 * Who has been lent a cgroup of his own, as everybody who signs in is by systemd, can freeze and
 * kill all that is in it (cgroups(7)); and a service's is killed when the service ends, with the
 * run that its mail began. So we go to the machine's own, if that can be written: in a container
 * mostly it cannot, nor in the listener's service, where its runs may stay.
 */
static void leave_cgroup(void)
{
    static const char *const places[] = {"/sys/fs/cgroup/cgroup.procs",
                                         "/sys/fs/cgroup/unified/cgroup.procs"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        int fd = open(places[i], O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
        if (fd < 0)
            continue;
        (void)!write(fd, "0", 1); /* whoever writes it */
        close(fd);
    }
}

void run(char *const arguments[])
{
    for (size_t i = 0; arguments[i]; i++)
        if (i == MOST_ARGUMENTS || is_refused(arguments[i]))
            end(EX_USAGE, "the installed queue takes no such arguments");
    check_limits();
    leave_terminal();
    leave_cgroup();
    start(POSTRIDER_LIBEXECDIR "/postrider-run", arguments);
}

/*
 * It stays with its caller's terminal, which may end it. However many of these he begins, the
 * queue's user has processes left for all else: such as the queue run that a session's message
 * needs, for which listen/local_session.c lifts the limit.
 */
void session(void)
{
    char *const arguments[] = {"--pipe", NULL};
    set_limit(RLIMIT_NPROC, MOST_PROCESSES, RLIM_INFINITY);
    start(POSTRIDER_LIBEXECDIR "/postrider-listen", arguments);
}

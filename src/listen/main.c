/*
 * postrider-listen: takes mail in over the network, or on a pipe from a local user. The order of
 * privileges is here: what only root may do first, then root is given up for good, and only then
 * is anybody listened to.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/privilege.h"
#include "base/process.h"
#include "base/text.h"
#include "config/paths.h"
#include "listen/bind.h"
#include "listen/listener.h"
#include "listen/passwd.h"
#include "listen/pipe.h"
#include "listen/service.h"
#include "queue/runner.h"

static const char usage[] =
    "usage: postrider-listen [-C FILE] [--background] [--every TIME] [--queue-only]\n"
    "       postrider-listen [-C FILE] --pipe\n"
    "       postrider-listen passwd [-C FILE] [--file FILE] [--delete | --check] NAME\n";

/* What is to be done. */
struct task {
    const char *config; /* NULL: the installed settings */
    bool background;    /* away from who started it, once all is bound */
    bool pipe;          /* one session on standard input and output */
    bool queue_only;    /* nothing is listened to */
    uint64_t interval;  /* seconds between queue runs; 0: none by the clock */
    uid_t caller;
};

static bool read_arguments(int argc, char **argv, struct task *task)
{
    for (int i = 1; i < argc; i++) {
        uint64_t uid;
        if (strcmp(argv[i], "-C") == 0 && i + 1 < argc)
            task->config = argv[++i];
        else if (strcmp(argv[i], "--background") == 0)
            task->background = true;
        else if (strcmp(argv[i], "--pipe") == 0)
            task->pipe = true;
        else if (strcmp(argv[i], "--queue-only") == 0)
            task->queue_only = true;
        else if (strcmp(argv[i], "--every") == 0 && i + 1 < argc &&
                 text_to_seconds(argv[i + 1], &task->interval))
            i++;
        else if (strcmp(argv[i], "--for") == 0 && i + 1 < argc &&
                 text_to_number(argv[i + 1], 0, UINT32_MAX - 1, &uid))
            task->caller = (uid_t)uid, i++;
        else
            return false;
    }
    return true;
}

/* ---- privileges ---- */

/* The installed queue is its own user's: root becomes that, and nobody else may be it. */
static struct outcome give_root_up(const struct task *task)
{
    if (task->config)
        return outcome_done();
    if (getuid() == 0)
        return privilege_become(POSTRIDER_USER);
    return outcome_done();
}

/* ---- one at a time ---- */

/* The lock of the one listener of a queue, with its process id for people and scripts. */
static struct outcome lock(const struct queue *queue, int *fd)
{
    *fd = openat(queue->root, "listen.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (*fd < 0)
        return outcome_errno(errno, "cannot open %s/listen.lock", queue->directory);
    if (flock(*fd, LOCK_EX | LOCK_NB) < 0)
        return outcome_refuse(EX_TEMPFAIL,
                              "a listener of this queue is at work already, see "
                              "%s/listen.lock",
                              queue->directory);
    return outcome_done();
}

static void write_pid(int fd)
{
    if (ftruncate(fd, 0) < 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0)
        log_error("cannot write the process id into listen.lock: %s", strerror(errno));
}

/* ---- away from who started us ---- */

static int print_failure(const struct outcome *outcome)
{
    log_error("%s", outcome->reason);
    fprintf(stderr, "postrider-listen: %s\n", outcome->reason);
    return outcome->exit_status;
}

/* All that can fail has been done by now, and said where the caller sees it. */
static struct outcome go_to_background(void)
{
    pid_t pid = fork();
    if (pid < 0)
        return outcome_errno(errno, "cannot go to the background");
    if (pid > 0)
        _exit(EX_OK);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++)
        if (null < 0 || dup2(null, fd) < 0)
            close(fd);
    file_close(&null);
    return setsid() < 0 || chdir("/") < 0 ? outcome_errno(errno, "cannot go to the background")
                                          : outcome_done();
}

static void block_signals(void)
{
    static const int numbers[] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT};
    sigset_t wanted;
    sigemptyset(&wanted);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&wanted, numbers[i]);
    sigprocmask(SIG_SETMASK, &wanted, NULL);
}

/* ---- the ways ---- */

static struct outcome open_doors(const struct task *task, const struct service *service,
                                 struct doors *doors)
{
    if (task->queue_only)
        return outcome_done();
    if (service->settings.listener_count == 0)
        log_notice("there is no [listen] section in the settings: no mail is taken in, only the "
                   "queue is run");
    return bind_inherited_count() ? bind_inherited(&service->settings, doors)
                                  : bind_all(&service->settings, NULL, doors);
}

/* Not as root: the file would be root's if it were made now. */
static void open_log(const struct service *service)
{
    struct outcome outcome = log_to_file(service->settings.log_file);
    if (!outcome_good(&outcome))
        log_error("%s", outcome.reason);
}

static struct outcome open_queue(const struct task *task, const struct service *service,
                                 struct queue *queue, int *held)
{
    struct outcome outcome =
        queue_open(service->settings.queue_directory, task->config != NULL, queue);
    return outcome_good(&outcome) ? lock(queue, held) : outcome;
}

static struct outcome listen_on(const struct task *task, struct service *service)
{
    struct doors doors = {0};
    struct queue queue = {0};
    int held = -1;
    struct outcome outcome = open_doors(task, service, &doors);
    if (outcome_good(&outcome))
        outcome = give_root_up(task);
    if (outcome_good(&outcome)) {
        open_log(service);
        outcome = open_queue(task, service, &queue, &held);
    }
    if (outcome_good(&outcome) && task->background)
        outcome = go_to_background();
    if (outcome_good(&outcome)) {
        write_pid(held);
        block_signals();
        outcome = listener_run(service, &doors, &queue, held, task->interval);
    }
    doors_close(&doors);
    if (queue.directory)
        queue_close(&queue);
    file_close(&held);
    return outcome;
}

static struct outcome perform(const struct task *task)
{
    struct service service;
    struct outcome outcome = service_load(task->config, &service);
    if (outcome_good(&outcome) && task->pipe) {
        open_log(&service);
        outcome = pipe_serve(&service, task->caller);
    }
    if (outcome_good(&outcome) && !task->pipe)
        outcome = listen_on(task, &service);
    service_free(&service);
    return outcome;
}

/* It is postrider's verb, and speaks for it. */
static int end_passwd(struct outcome outcome)
{
    if (outcome_good(&outcome) && fflush(stdout) != 0)
        outcome = outcome_refuse(EX_IOERR, "cannot write to standard output: %s", strerror(errno));
    if (!outcome_good(&outcome))
        fprintf(stderr, "postrider: %s\n", outcome.reason);
    return outcome_good(&outcome) ? EX_OK : outcome.exit_status;
}

int main(int argc, char **argv)
{
    process_settle();
    umask(027);
    log_open("postrider-listen");
    if (argc > 1 && strcmp(argv[1], "passwd") == 0)
        return end_passwd(passwd_run(argc - 1, argv + 1));
    struct task task = {.caller = getuid()};
    if (!read_arguments(argc, argv, &task)) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    /* The folder that a relative path counts from is left when we go to the background. */
    char *whole = task.config ? realpath(task.config, NULL) : NULL;
    if (whole)
        task.config = whole;
    struct outcome outcome = perform(&task);
    free(whole);
    int status = outcome_good(&outcome) ? EX_OK : print_failure(&outcome);
    log_close();
    return status;
}

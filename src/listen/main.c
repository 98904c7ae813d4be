/*
 * postrider-listen: takes mail in over the network, or on a pipe from a local user. The order of
 * privileges is here: what only root may do first, then root is given up for good, and only then
 * is anybody listened to.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/privilege.h"
#include "base/process.h"
#include "base/text.h"
#include "config/paths.h"
#include "listen/background.h"
#include "listen/bind.h"
#include "listen/check.h"
#include "listen/confine.h"
#include "listen/listener.h"
#include "listen/local_session.h"
#include "listen/passwd.h"
#include "listen/service.h"
#include "queue/runner.h"

static const char usage[] =
    "usage: postrider-listen [-C FILE] [--background] [--every TIME] [--queue-only]\n"
    "       postrider-listen [-C FILE] --pipe [--for UID]\n"
    "       postrider-listen passwd [-C FILE] [--file FILE] [--delete | --check] NAME\n"
    "       postrider-listen check [-C FILE] [--online]\n";

/* What is to be done. */
struct task {
    char *config;      /* absolute; NULL: the installed settings; owned */
    bool background;   /* away from who started it, once all is bound */
    bool pipe;         /* one session on standard input and output */
    bool queue_only;   /* nothing is listened to */
    uint64_t interval; /* seconds between queue runs; 0: none by the clock */
    uid_t caller;
};

/* The folder that a relative path counts from is left when we go to the background. */
static void take_config(struct task *task, const char *path)
{
    free(task->config);
    task->config = realpath(path, NULL);
    if (!task->config)
        task->config = memory_copy(path, strlen(path));
}

static bool read_arguments(int argc, char **argv, struct task *task)
{
    for (int i = 1; i < argc; i++) {
        uint64_t uid;
        if (strcmp(argv[i], "-C") == 0 && i + 1 < argc)
            take_config(task, argv[++i]);
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

enum { LOCK_PATIENCE_MS = 2000, LOCK_AGAIN_MS = 20 };

/*
 * A session that was being started when its parent was killed has not closed the lock yet: that is
 * waited for, so that whoever restarts the listener need not try twice.
 */
static bool take_lock(int fd)
{
    int64_t end = clock_ms() + LOCK_PATIENCE_MS;
    bool taken;
    while (!(taken = (flock(fd, LOCK_EX | LOCK_NB) == 0)) && clock_ms() < end)
        (void)poll(NULL, 0, LOCK_AGAIN_MS);
    return taken;
}

/*
 * The lock of the one listener of a queue, or of the one that only runs it by the clock, with its
 * process id for people and scripts.
 */
static struct outcome lock(const struct task *task, const struct queue *queue, int *fd)
{
    const char *name = task->queue_only ? "timer.lock" : "listen.lock";
    *fd = openat(queue->root, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (*fd < 0)
        return outcome_errno(errno, "cannot open %s/%s", queue->directory, name);
    if (take_lock(*fd))
        return outcome_done();
    return outcome_refuse(EX_TEMPFAIL, "%s is at work already, its process id is in %s/%s",
                          task->queue_only ? "what runs this queue by the clock"
                                           : "a listener of this queue",
                          queue->directory, name);
}

static void write_pid(int fd)
{
    if (ftruncate(fd, 0) < 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0)
        log_error("cannot write the process id into the lock file: %s", strerror(errno));
}

static int print_failure(const struct outcome *outcome)
{
    log_error("%s", outcome->reason);
    fprintf(stderr, "postrider-listen: %s\n", outcome->reason);
    return outcome->exit_status;
}

/* ---- the ways ---- */

static struct outcome open_doors(const struct service *service, struct doors *doors)
{
    if (!service->listens)
        return outcome_done();
    return process_handed_over() ? bind_inherited(&service->settings, doors)
                                 : bind_all(&service->settings, NULL, doors);
}

/* To be said where it is looked for: in the log file. */
static void say_what_is_missing(const struct service *service, const struct doors *doors)
{
    if (service->listens && service->settings.listener_count == 0)
        log_notice("there is no [listen] section in the settings: no mail is taken in, only the "
                   "queue is run");
    doors_tell_of_unheard(doors, &service->settings);
}

/* Not as root: the file would be root's if it were made now. */
static void open_log(const struct service *service)
{
    struct outcome outcome = log_to_file(service->settings.log_file);
    if (!outcome_good(&outcome))
        log_error("%s", outcome.reason);
}

static struct outcome open_queue(const struct task *task, const struct service *service,
                                 struct queue *queue)
{
    return queue_open(service->settings.queue_directory, task->config != NULL, queue);
}

static struct outcome listen_on(const struct task *task, struct service *service)
{
    struct doors doors = {0};
    struct queue queue = {0};
    int held = -1, ready = -1;
    const struct outcome opened = open_doors(service, &doors);
    struct outcome outcome = give_root_up(task);
    if (outcome_good(&outcome)) {
        open_log(service);
        outcome = open_queue(task, service, &queue);
    }
    if (outcome_good(&outcome))
        outcome = lock(task, &queue, &held);
    /* Only now: who is in the way may be another listener of ours. */
    if (outcome_good(&outcome))
        outcome = opened;
    if (outcome_good(&outcome) && service->listens)
        outcome = confine_check();
    listener_block_signals();
    if (outcome_good(&outcome) && task->background)
        outcome = background_begin(&ready);
    if (outcome_good(&outcome)) {
        write_pid(held);
        say_what_is_missing(service, &doors);
        if (service->listens)
            service_keep_secret(service, &queue);
        const struct listener_start start = {.service = service,
                                             .doors = &doors,
                                             .queue = &queue,
                                             .interval = task->interval,
                                             .lock = &held,
                                             .ready = &ready};
        outcome = listener_run(&start);
    }
    doors_close(&doors);
    if (queue.directory)
        queue_close(&queue);
    file_close(&held);
    return outcome;
}

static struct outcome serve_pipe(const struct task *task, const struct service *service)
{
    struct queue queue = {0};
    struct outcome outcome = give_root_up(task);
    if (outcome_good(&outcome)) {
        open_log(service);
        outcome = open_queue(task, service, &queue);
    }
    if (outcome_good(&outcome))
        outcome = confine_check();
    if (outcome_good(&outcome))
        outcome = local_session_serve(service, &queue, task->caller);
    if (queue.directory)
        queue_close(&queue);
    return outcome;
}

static struct outcome perform(const struct task *task)
{
    struct service service;
    struct outcome outcome = service_load(task->config, !task->pipe && !task->queue_only, &service);
    if (outcome_good(&outcome))
        outcome = task->pipe ? serve_pipe(task, &service) : listen_on(task, &service);
    service_free(&service);
    return outcome;
}

int main(int argc, char **argv)
{
    process_settle();
    (void)process_folder(); /* which remembers it */
    process_close_from(3 + process_handed_over());
    umask(027);
    log_open("postrider-listen");
    if (argc > 1 && strcmp(argv[1], "passwd") == 0)
        return process_end("postrider", passwd_run(argc - 1, argv + 1));
    if (argc > 1 && strcmp(argv[1], "check") == 0)
        return process_end("postrider", listen_check_run(argc - 1, argv + 1));
    struct task task = {.caller = getuid()};
    if (!read_arguments(argc, argv, &task)) {
        free(task.config);
        fputs(usage, stderr);
        return EX_USAGE;
    }
    struct outcome outcome = perform(&task);
    free(task.config);
    int status = outcome_good(&outcome) ? EX_OK : print_failure(&outcome);
    log_close();
    return status;
}

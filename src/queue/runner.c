/*
 * How one runner at a time comes about. A submitter commits, leaves its mark, and then looks at
 * the lock; a runner takes the mark away before each look at the folder, while it has the lock, and
 * looks for it once more after it let that go. So one of the two always sees the other.
 */
#include "queue/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "config/paths.h"
#include "queue/list.h"

static const char lock_name[] = "run.lock";

/* ---- submitters ---- */

bool runner_is_at_work(const struct queue *queue)
{
    int fd = openat(queue->root, lock_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    /* Asking takes nothing: a submitter that its caller stops can hold no lock. */
    struct flock question = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool locked = fcntl(fd, F_OFD_GETLK, &question) == 0 && question.l_type != F_UNLCK;
    file_close(&fd);
    return locked;
}

enum { MOST_ARGUMENTS = 16 };

/* heard: somebody waits for it, who reads our standard error. */
static void cannot_start(const char *what, bool heard)
{
    int error = errno;
    log_error("cannot start %s: %s", what, strerror(error));
    if (heard)
        dprintf(STDERR_FILENO, "postrider: cannot start %s: %s\n", what, strerror(error));
}

/*
 * The installed queue is run by its own user, through the helper that may become it; a queue of
 * the caller's own by the caller.
 */
static _Noreturn void become_runner(const char *config, const char *const arguments[])
{
    char path[4096];
    const char *argv[MOST_ARGUMENTS + 5];
    size_t count = 0;
    if (config) {
        process_find("postrider-run", path, sizeof path);
        argv[count++] = "postrider-run";
        argv[count++] = "-C";
        argv[count++] = config;
    } else {
        snprintf(path, sizeof path, "%s/postrider-local", POSTRIDER_LIBEXECDIR);
        argv[count++] = "postrider-local";
        argv[count++] = "run";
    }
    for (size_t i = 0; i < MOST_ARGUMENTS && arguments[i]; i++)
        argv[count++] = arguments[i];
    argv[count] = NULL;
    execv(path, (char *const *)argv);
    cannot_start(path, true);
    _exit(EX_OSERR);
}

static void put_in_place(int fd, int place)
{
    if (fd < 0 || dup2(fd, place) < 0) {
        cannot_start("a queue runner", true);
        _exit(EX_OSERR);
    }
}

/* Twice forked, so that it is nobody's child to wait for. */
static void start_in_background(const char *config)
{
    pid_t pid = fork();
    if (pid < 0) {
        cannot_start("a queue runner", false);
        return;
    }
    if (pid > 0) {
        process_wait(pid);
        return;
    }
    if (fork() != 0)
        _exit(0);
    setsid();
    process_forget_files();
    const char *const arguments[] = {"--background", NULL};
    become_runner(config, arguments);
}

void runner_leave_mark(const struct queue *queue)
{
    /* One that is there was left before the next look at the folder: it serves for us as well. */
    int fd = openat(queue->spool, RUNNER_MARK, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd < 0 && errno != EEXIST)
        log_error("cannot leave a mark for the queue runner: %s", strerror(errno));
    file_close(&fd);
}

void runner_wake(const struct queue *queue, const char *config)
{
    runner_leave_mark(queue);
    if (!runner_is_at_work(queue))
        start_in_background(config);
}

/* input: for its standard input; -1: nothing. */
static pid_t start(const char *config, const char *const arguments[], bool shared, int input)
{
    pid_t pid = fork();
    if (pid < 0)
        cannot_start("a queue runner", shared);
    if (pid != 0)
        return pid;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    put_in_place(input >= 0 ? input : null, STDIN_FILENO);
    if (!shared) {
        put_in_place(null, STDOUT_FILENO);
        put_in_place(null, STDERR_FILENO);
    }
    process_close_from(3);
    become_runner(config, arguments);
}

pid_t runner_start(const char *config, const char *const arguments[], bool shared)
{
    return start(config, arguments, shared, -1);
}

int runner_run(const char *config, const char *const arguments[], bool shared)
{
    pid_t pid = start(config, arguments, shared, -1);
    return pid < 0 ? EX_OSERR : process_wait(pid);
}

static bool put_ids(int fd, const struct list *ids)
{
    struct output output = {.fd = fd};
    for (size_t i = 0; i < ids->count; i++) {
        output_text(&output, ids->entries[i].id);
        output_text(&output, "\n");
    }
    bool good = output_flush(&output);
    output_free(&output);
    return good;
}

int runner_order(const char *config, const char *const arguments[], const struct list *ids)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        cannot_start("a queue runner", true);
        return EX_OSERR;
    }
    pid_t pid = start(config, arguments, true, ends[0]);
    file_close(&ends[0]);
    bool told = pid > 0 && put_ids(ends[1], ids);
    int error = errno;
    file_close(&ends[1]);
    int status = pid < 0 ? EX_OSERR : process_wait(pid);
    /* A runner that does not want them says so itself, by its status. */
    if (told || status != EX_OK)
        return status;
    dprintf(STDERR_FILENO, "postrider: the queue runner was not told which messages: %s\n",
            strerror(error));
    return EX_IOERR;
}

/* ---- the runner ---- */

struct outcome runner_lock(const struct queue *queue, int *fd)
{
    *fd = openat(queue->root, lock_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (*fd < 0)
        return outcome_errno(errno, "cannot open %s/%s", queue->directory, lock_name);
    struct flock wish = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(*fd, F_OFD_SETLK, &wish) == 0)
        return outcome_done();
    int error = errno;
    file_close(fd);
    if (error == EAGAIN || error == EACCES)
        return outcome_done();
    return outcome_errno(error, "cannot lock %s/%s", queue->directory, lock_name);
}

void runner_unlock(int *fd)
{
    file_close(fd);
}

bool runner_take_mark(const struct queue *queue)
{
    return unlinkat(queue->spool, RUNNER_MARK, 0) == 0;
}

bool runner_has_mark(const struct queue *queue)
{
    return faccessat(queue->spool, RUNNER_MARK, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- traces ---- */

/* Whether the run that left it is over: nobody holds its lock. With remove it is gone then. */
static bool is_dead(const struct queue *queue, const char *id, bool remove)
{
    int fd = openat(queue->runs, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    /* Shared, so that two who look do not take each other for the run. */
    bool dead = fd >= 0 && flock(fd, (remove ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0;
    if (dead && remove)
        unlinkat(queue->runs, id, 0);
    file_close(&fd);
    return dead;
}

/* The traces of runs that are over go onto the list. */
static struct outcome list_dead(const struct queue *queue, struct list *dead)
{
    struct list traces = {0};
    struct outcome outcome = list_folder(queue->runs, &traces);
    for (size_t i = 0; outcome_good(&outcome) && i < traces.count; i++)
        if (is_dead(queue, traces.entries[i].id, false))
            list_add(dead, traces.entries[i].id);
    list_free(&traces);
    return outcome;
}

void runner_read_traces(const struct queue *queue, struct run_trace *trace)
{
    list_free(&trace->dead);
    struct outcome outcome = list_dead(queue, &trace->dead);
    trace->careful = trace->careful || trace->dead.count || !outcome_good(&outcome);
}

void runner_see_deaths(const struct queue *queue, struct run_trace *trace)
{
    struct list dead = {0};
    struct outcome outcome = trace->careful ? outcome_done() : list_dead(queue, &dead);
    trace->careful = trace->careful || dead.count || !outcome_good(&outcome);
    list_free(&dead);
}

struct outcome runner_leave_trace(const struct queue *queue, struct run_trace *trace)
{
    if (trace->id[0])
        return outcome_done();
    queue_new_id(trace->id);
    trace->fd = openat(queue->runs, trace->id, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct stat info = {0};
    struct outcome outcome;
    if (trace->fd < 0 || flock(trace->fd, LOCK_EX) < 0 || fstat(trace->fd, &info) < 0 ||
        info.st_nlink == 0)
        outcome = outcome_errno(errno, "cannot note that a queue run has begun");
    else
        outcome = file_sync_folder(queue->runs, "the folder of queue runs");
    if (!outcome_good(&outcome)) {
        if (trace->fd >= 0)
            unlinkat(queue->runs, trace->id, 0);
        file_close(&trace->fd);
        trace->id[0] = '\0';
    }
    return outcome;
}

void runner_keep_trace(struct run_trace *trace)
{
    file_close(&trace->fd);
    trace->id[0] = '\0';
    trace->careful = true;
}

void runner_clear_traces(const struct queue *queue, struct run_trace *trace, bool resolved)
{
    if (trace->id[0])
        unlinkat(queue->runs, trace->id, 0);
    file_close(&trace->fd);
    for (size_t i = 0; resolved && i < trace->dead.count; i++)
        is_dead(queue, trace->dead.entries[i].id, true);
    list_free(&trace->dead);
    *trace = RUN_TRACE_NONE;
}

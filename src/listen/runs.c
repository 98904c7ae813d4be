/* See runs.h. */
#include "listen/runs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/text.h"
#include "config/paths.h"
#include "queue/runner.h"

enum {
    LOOK_AFTER_MS = 100,      /* a submitter that leaves a mark mostly starts a runner itself */
    ASK_AGAIN_MS = 60 * 1000, /* between two orders for one domain */
    LONGEST_WAIT_MS = 3600 * 1000
};

struct outcome runs_open(struct runs *runs, const char *config, const struct queue *queue,
                         uint64_t interval_seconds)
{
    *runs = (struct runs){.config = config,
                          .queue = queue,
                          .interval = (int64_t)interval_seconds * 1000,
                          .next = clock_ms(),
                          .look = clock_ms()};
    char path[4096];
    snprintf(path, sizeof path, "%s/spool", queue->directory);
    runs->events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (runs->events < 0 || inotify_add_watch(runs->events, path, IN_CREATE | IN_MOVED_TO) < 0)
        return outcome_errno(errno, "cannot watch the queue %s", path);
    return outcome_done();
}

/* ---- events ---- */

/* Whether the mark was left since the last look; lost events may have been of it. */
static bool saw_mark(struct runs *runs)
{
    _Alignas(struct inotify_event) char block[16384];
    bool saw = false;
    ssize_t count;
    while ((count = read(runs->events, block, sizeof block)) > 0)
        for (char *at = block; at < block + count;) {
            const struct inotify_event *event = (const void *)at;
            saw = saw || (event->mask & IN_Q_OVERFLOW) ||
                  (event->len && strcmp(event->name, RUNNER_MARK) == 0);
            at += sizeof *event + event->len;
        }
    return saw;
}

void runs_ask(struct runs *runs, const char *domain)
{
    size_t at = 0;
    while (at < runs->asked_count && !text_equal(runs->asked[at].domain, domain))
        at++;
    if (at == MOST_ORDERS)
        return;
    struct asked *asked = &runs->asked[at];
    if (at == runs->asked_count) {
        *asked = (struct asked){.domain = memory_copy(domain, strlen(domain)),
                                .when = clock_ms() - ASK_AGAIN_MS};
        runs->asked_count++;
    }
    asked->waiting = asked->waiting || clock_ms() - asked->when >= ASK_AGAIN_MS;
}

/* ---- starting ---- */

static void start_runner(struct runs *runs, bool background)
{
    const char *const arguments[] = {background ? "--background" : NULL, NULL};
    pid_t pid = runner_start(runs->config, arguments, false);
    runs->runner = pid > 0 ? pid : 0;
}

/* In the child: the front door knows which messages are meant. */
static _Noreturn void become_order(const struct runs *runs, const char *domain)
{
    char path[4096];
    const char *argv[9];
    size_t count = 0;
    if (runs->config)
        process_find("postrider", path, sizeof path);
    else
        snprintf(path, sizeof path, "%s/postrider", POSTRIDER_SBINDIR);
    argv[count++] = "postrider";
    argv[count++] = "queue";
    argv[count++] = "retry";
    argv[count++] = "--domain";
    argv[count++] = domain;
    if (runs->config) {
        argv[count++] = "-C";
        argv[count++] = runs->config;
    }
    argv[count] = NULL;
    process_forget_files();
    execv(path, (char *const *)argv);
    log_error("cannot start %s: %s", path, strerror(errno));
    _exit(EX_OSERR);
}

static void start_order(struct runs *runs, struct asked *asked)
{
    asked->waiting = false;
    asked->when = clock_ms();
    pid_t pid = fork();
    if (pid == 0)
        become_order(runs, asked->domain);
    if (pid < 0)
        log_error("cannot start a queue run: %s", strerror(errno));
    else
        log_notice("a partner asks for the mail for %s: it is tried now", asked->domain);
    runs->order = pid > 0 ? pid : 0;
}

void runs_advance(struct runs *runs)
{
    int64_t now = clock_ms();
    if (saw_mark(runs) && !runs->look)
        runs->look = now + LOOK_AFTER_MS;
    if (runs->look && now >= runs->look && !runs->runner) {
        runs->look = 0;
        /* Whoever is at work sees the mark by himself. */
        if (runner_has_mark(runs->queue) && !runner_is_at_work(runs->queue))
            start_runner(runs, true);
    }
    if (runs->interval && now >= runs->next && !runs->runner) {
        runs->next = now + runs->interval;
        start_runner(runs, false);
    }
    for (size_t i = 0; i < runs->asked_count && !runs->order; i++)
        if (runs->asked[i].waiting)
            start_order(runs, &runs->asked[i]);
}

int runs_wait(const struct runs *runs)
{
    int64_t at = INT64_MAX;
    if (runs->look && !runs->runner)
        at = runs->look;
    if (runs->interval && !runs->runner && runs->next < at)
        at = runs->next;
    if (at == INT64_MAX)
        return -1;
    int64_t wait = at - clock_ms();
    return wait < 0 ? 0 : wait > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : (int)wait;
}

bool runs_reap(struct runs *runs, pid_t pid)
{
    if (pid != runs->runner && pid != runs->order)
        return false;
    if (pid == runs->order) {
        runs->order = 0;
    } else {
        /* A mark may have been left while it went. */
        runs->runner = 0;
        runs->look = clock_ms();
    }
    return true;
}

void runs_close(struct runs *runs)
{
    file_close(&runs->events);
    for (size_t i = 0; i < runs->asked_count; i++)
        free(runs->asked[i].domain);
    runs->asked_count = 0;
}

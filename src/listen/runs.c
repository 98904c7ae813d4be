/* See runs.h. */
#include "listen/runs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/text.h"
#include "config/paths.h"
#include "queue/list.h"
#include "queue/runner.h"

enum {
    LOOK_AFTER_MS = 100,      /* a submitter that leaves a mark mostly starts a runner itself */
    LOOK_AGAIN_MS = 5 * 1000, /* for a mark that another runner should see, as long as it lives */
    FAILED_MS = 60 * 1000,    /* after a run that did not end well */
    ASK_AGAIN_MS = 60 * 1000, /* between two orders for one domain */
    LONGEST_WAIT_MS = 3600 * 1000
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct outcome runs_open(struct runs *runs, const char *config, const struct settings *settings,
                         const struct queue *queue, uint64_t interval)
{
    *runs = (struct runs){.config = config,
                          .settings = settings,
                          .queue = queue,
                          .interval = (int64_t)interval * 1000,
                          .next = interval ? clock_ms() : INT64_MAX,
                          .look = clock_ms()};
    char path[4096];
    snprintf(path, sizeof path, "%s/spool", queue->directory);
    runs->events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (runs->events < 0 || inotify_add_watch(runs->events, path, IN_CREATE | IN_MOVED_TO) < 0)
        return outcome_errno(errno, "cannot watch the queue %s", path);
    return outcome_done();
}

/* ---- events ---- */

/*
 * Whether anything has come into the folder. A mark that is there still, because its runner died,
 * is left a second time without a trace; the message that it is about is not.
 */
static bool saw_news(const struct runs *runs)
{
    _Alignas(struct inotify_event) char block[16384];
    bool saw = false;
    while (read(runs->events, block, sizeof block) > 0)
        saw = true;
    return saw;
}

int runs_descriptor(const struct runs *runs)
{
    bool waits = !runs->runner && runs->look > clock_ms() + LOOK_AFTER_MS;
    return waits ? runs->events : -1;
}

/* One that is not needed any more makes room. */
static struct asked *find_asked(struct runs *runs, const char *domain)
{
    int64_t past = clock_ms() - ASK_AGAIN_MS;
    struct asked *idle = NULL;
    for (size_t i = 0; i < runs->asked_count; i++) {
        struct asked *asked = &runs->asked[i];
        if (text_equal(asked->domain, domain))
            return asked;
        if (!asked->waiting && asked->when <= past)
            idle = asked;
    }
    if (!idle) {
        runs->asked = memory_resize(runs->asked, (runs->asked_count + 1) * sizeof *runs->asked);
        idle = &runs->asked[runs->asked_count++];
        idle->domain = NULL;
    }
    free(idle->domain);
    *idle = (struct asked){.domain = memory_copy(domain, strlen(domain)), .when = past};
    return idle;
}

void runs_ask(struct runs *runs, const char *domain)
{
    find_asked(runs, domain)->waiting = true;
}

/* ---- starting ---- */

static void start_runner(struct runs *runs, bool background)
{
    const char *const arguments[] = {background ? "--background" : NULL, NULL};
    pid_t pid = runner_start(runs->config, arguments, false);
    runs->runner = pid > 0 ? pid : 0;
    if (pid < 0)
        runs->look = runs->next = clock_ms() + FAILED_MS;
}

/* In the child: the front door knows which messages are meant. */
static _Noreturn void become_order(const struct runs *runs, const char *domain)
{
    char path[4096];
    const char *argv[] = {"postrider", "queue", "retry",      "--release", "--domain",
                          domain,      "-C",    runs->config, NULL};
    if (runs->config) {
        process_find("postrider", path, sizeof path);
    } else {
        argv[6] = NULL;
        snprintf(path, sizeof path, "%s/postrider", POSTRIDER_SBINDIR);
    }
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

/* Whoever is at work sees the mark by himself, unless he dies. */
static void look_for_mark(struct runs *runs, int64_t now)
{
    runs->look = INT64_MAX;
    if (!runner_has_mark(runs->queue))
        return;
    if (runner_is_at_work(runs->queue))
        runs->look = now + LOOK_AGAIN_MS;
    else
        start_runner(runs, true);
}

/* A list of the folder is all that it takes when nothing is due. */
static void run_by_clock(struct runs *runs, int64_t now)
{
    size_t due;
    runs->next = runs->interval ? now + runs->interval : INT64_MAX;
    struct outcome outcome =
        list_count_due(runs->queue, settings_longest_wait(runs->settings), &due);
    if (!outcome_good(&outcome))
        log_error("%s", outcome.reason);
    else if (due && !runner_is_at_work(runs->queue))
        start_runner(runs, false);
}

void runs_advance(struct runs *runs)
{
    int64_t now = clock_ms();
    if (runs_descriptor(runs) >= 0 && saw_news(runs))
        runs->look = now + LOOK_AFTER_MS;
    if (!runs->runner && now >= runs->look)
        look_for_mark(runs, now);
    if (!runs->runner && now >= runs->next)
        run_by_clock(runs, now);
    for (size_t i = 0; i < runs->asked_count && !runs->order; i++)
        if (runs->asked[i].waiting && now - runs->asked[i].when >= ASK_AGAIN_MS)
            start_order(runs, &runs->asked[i]);
}

int runs_wait(const struct runs *runs)
{
    int64_t at = runs->runner ? INT64_MAX : earlier(runs->look, runs->next);
    for (size_t i = 0; i < runs->asked_count && !runs->order; i++)
        if (runs->asked[i].waiting)
            at = earlier(at, runs->asked[i].when + ASK_AGAIN_MS);
    if (at == INT64_MAX)
        return -1;
    int64_t wait = at - clock_ms();
    return wait < 0 ? 0 : wait > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : (int)wait;
}

/* ---- ending ---- */

bool runs_reap(struct runs *runs, pid_t pid, int status)
{
    if (pid == runs->order) {
        runs->order = 0;
        return true;
    }
    if (pid != runs->runner)
        return false;
    int64_t now = clock_ms();
    runs->runner = 0;
    /* A mark may have been left while it went; one that stays may be looked for. */
    runs->look = earlier(runs->look, saw_news(runs) ? now : now + LOOK_AGAIN_MS);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EX_OK) {
        int number = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        log_error("a queue run ended with status %d%s; there is another one in a minute at the "
                  "latest",
                  number, number == EX_CONFIG ? ", a mistake in the settings" : "");
        runs->look = now + FAILED_MS;
        runs->next = earlier(runs->next, now + FAILED_MS);
    }
    return true;
}

void runs_stop(const struct runs *runs)
{
    if (runs->runner)
        kill(runs->runner, SIGTERM);
}

bool runs_are_at_work(const struct runs *runs)
{
    return runs->runner || runs->order;
}

void runs_close(struct runs *runs)
{
    file_close(&runs->events);
    for (size_t i = 0; i < runs->asked_count; i++)
        free(runs->asked[i].domain);
    free(runs->asked);
    runs->asked = NULL;
    runs->asked_count = 0;
}

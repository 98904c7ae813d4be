/*
 * The queue run: visits what is due, gives next hops their workers, and looks again until nothing
 * is new. It reads no byte of a peer. It decides who works on what by lists alone; should two
 * processes meet over a message, its lock decides.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "run/ending.h"
#include "run/alias_command.h"
#include "run/retry.h"
#include "run/run.h"
#include "run/tables.h"

enum {
    MOST_TAKEN = 20000,      /* messages on a run's lists: what more is due waits on disk alone */
    MOST_NEW = 10000,        /* of them when the others have that many: what came meanwhile */
    LONGEST_SUBMISSION = 60, /* seconds, usually, from a message's id to its place in the folder */
    LETTERS_PER_WORKER = 50, /* so many waiting are worth one more connection */
    SLOW_WORKER_MS = 10000,  /* a worker at work for so long gets help */
    MOST_MX_WORKERS = 100,   /* of all domains together; other next hops are configured */
    LOOK_EVERY_MS = 50,      /* for submitters' marks */
    LOOK_SHARE = 10,         /* a look at the folder takes a tenth of the time at the most */
    GATHER_MS = 200,         /* in the background: so long without news starts workers */
    GATHER_MOST_MS = 2000    /* or so long with news */
};

/* ---- lists of messages ---- */

/* Every message that is with a worker, by id. */
static struct list list_with_workers(const struct run *run)
{
    struct list busy = {0};
    for (size_t i = 0; i < run->worker_count; i++)
        list_append(&busy, &run->workers[i].letters);
    list_sort(&busy);
    return busy;
}

/* Every message that waits for a worker or is with one, or is not to be looked at, by id. */
static struct list list_taken(const struct run *run)
{
    struct list taken = list_with_workers(run);
    list_append(&taken, &run->undated);
    for (size_t i = 0; i < run->hop_count; i++)
        list_append(&taken, &run->hops[i]->waiting);
    list_sort(&taken);
    return taken;
}

/* ---- workers ---- */

/* What is due and was not seen to is left to the next run. */
static void fall_short(struct run *run, const struct outcome *problem)
{
    log_error("%s", problem->reason);
    run->unseen = true;
    if (outcome_good(&run->problem))
        run->problem = *problem;
}

static void start_worker(struct run *run, struct hop *hop, struct list letters)
{
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        ending_outlive_terminal();
        /* Should the coordinator die, its locks go with it and not with the last of its workers. */
        runner_unlock(&run->lock);
        file_close(&run->trace.fd);
        _exit(hop->commands ? alias_command_work(run, &letters) : work(run, hop, &letters));
    }
    if (pid < 0) {
        const struct outcome problem = outcome_errno(errno, "cannot start a delivery process");
        fall_short(run, &problem);
        list_free(&letters);
        return;
    }
    run->workers = memory_resize(run->workers, (run->worker_count + 1) * sizeof *run->workers);
    run->workers[run->worker_count++] =
        (struct worker){.pid = pid, .hop = hop, .letters = letters, .began = clock_now()};
    hop->workers++;
    hop->started = clock_ms();
}

/*
 * Takes those waiting messages out that no worker has: one that goes to several next hops goes to
 * one after the other, as its lock would have it anyway.
 */
static struct list take_free(const struct run *run, struct hop *hop)
{
    struct list busy = list_with_workers(run), taken = {0};
    struct list *waiting = &hop->waiting;
    size_t kept = 0;
    for (size_t i = 0; i < waiting->count; i++)
        if (list_find(&busy, waiting->entries[i].id))
            waiting->entries[kept++] = waiting->entries[i];
        else
            list_add(&taken, waiting->entries[i].id);
    waiting->count = kept;
    list_free(&busy);
    return taken;
}

/* Takes every step-th waiting message, beginning with the first-th. */
static struct list share(const struct list *waiting, size_t first, size_t step)
{
    struct list part = {0};
    for (size_t i = first; i < waiting->count; i += step)
        list_add(&part, waiting->entries[i].id);
    return part;
}

/* Strangers' hosts may be slow, and many: neither takes all of this machine. */
static size_t room_for(const struct run *run, const struct hop *hop)
{
    size_t present = 0;
    if (hop->next.way != WAY_MX)
        return SIZE_MAX;
    for (size_t i = 0; i < run->worker_count; i++)
        present += run->workers[i].hop->next.way == WAY_MX;
    return MOST_MX_WORKERS - present;
}

static void start_workers(struct run *run, struct hop *hop)
{
    /* Each command may take its time, and keeps no other one waiting if that can be. */
    size_t wanted = hop->commands ? hop->workers + hop->waiting.count
                                  : 1 + hop->waiting.count / LETTERS_PER_WORKER;
    size_t most = hop->next.peer->connections;
    size_t free_connections = most > hop->workers ? most - hop->workers : 0;
    size_t room = room_for(run, hop);
    if (free_connections > room)
        free_connections = room;
    bool slow = hop->workers > 0 && clock_ms() - hop->started > SLOW_WORKER_MS;
    size_t present = hop->workers - (slow ? 1 : 0);
    if (hop->waiting.count == 0 || free_connections == 0 || wanted <= present)
        return;
    size_t count = wanted - present < free_connections ? wanted - present : free_connections;
    struct list ready = take_free(run, hop);
    for (size_t i = 0; i < count && i < ready.count; i++)
        start_worker(run, hop, share(&ready, i, count));
    list_free(&ready);
}

/*
 * When the next hop's rate was used up, or we are to end, or the worker died, some messages were
 * not offered: that is no try. What is said of a recipient since then tells, unless it is what an
 * earlier pause, in the same second, left.
 */
static bool was_attempted(const struct letter *letter, const struct worker *worker,
                          const struct hop_state *before, bool offered)
{
    bool heard = offered && !ending_is_due() && !hop_is_pausing(&worker->hop->state);
    for (size_t i = 0; i < letter->count && !heard; i++) {
        const struct letter_recipient *recipient = &letter->recipients[i];
        heard = recipient->when >= worker->began &&
                !(recipient->reason && strcmp(recipient->reason, before->reason) == 0);
    }
    return heard;
}

/* Twice what it should be: after a long night of the machine nothing is given up by this. */
static bool is_very_late(const struct run *run, const struct letter *letter)
{
    time_t age = clock_now() - letter->envelope.arrived;
    for (size_t i = 0; i < letter->count; i++)
        if (letter->recipients[i].progress == PROGRESS_PENDING &&
            age >= 2 * (time_t)retry_lifetime(run, letter, i))
            return true;
    return false;
}

/* What a worker left behind: each message that is still there is settled. */
static void end_worker(struct run *run, struct worker worker, int status)
{
    bool through = status == EX_OK || status == EX_TEMPFAIL, blamed = through;
    worker.hop->workers--;
    if (!through)
        log_error("the delivery process for %s ended with status %d", worker.hop->name, status);
    struct hop_state before = worker.hop->state;
    if (!worker.hop->commands)
        hop_read(&run->queue, worker.hop->name, &worker.hop->state);
    struct list taken = list_taken(run);
    for (size_t i = 0; i < worker.letters.count; i++) {
        struct letter letter;
        struct outcome problem;
        /* Another next hop's worker will see it: it is settled after the last of them. */
        if (list_find(&taken, worker.letters.entries[i].id))
            continue;
        if (letter_open(&run->queue, worker.letters.entries[i].id, LETTER_WORK, false, &letter,
                        &problem) != LETTER_OPENED)
            continue;
        bool attempted = was_attempted(&letter, &worker, &before, through);
        /* Should one message be what workers die of, those behind it get away from it; but none
         * is kept for ever. */
        if (!attempted && (!blamed || (!through && is_very_late(run, &letter))))
            attempted = blamed = true;
        /* One that was not begun since we are to end is due as it was. */
        if (attempted || !ending_is_due())
            settle(run, &letter, attempted);
        letter_close(&letter);
    }
    list_free(&taken);
    list_free(&worker.letters);
}

static void reap_workers(struct run *run)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        size_t i = 0;
        while (i < run->worker_count && run->workers[i].pid != pid)
            i++;
        if (i < run->worker_count) {
            struct worker worker = run->workers[i];
            run->workers[i] = run->workers[--run->worker_count];
            end_worker(run, worker,
                       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        } else if (run->old_workers) {
            run->old_workers--;
            run->again = true; /* what it had in hand and could not deliver */
        }
    }
}

static void wait_for_news(int64_t limit_ms)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    struct timespec limit = {.tv_nsec = limit_ms * 1000000L};
    sigtimedwait(&child, NULL, &limit);
}

/* ---- the folder ---- */

/* The disk may have room again by now. */
static void forget_undated(struct run *run)
{
    size_t kept = 0;
    for (size_t i = 0; i < run->undated.count; i++)
        if (run->undated.entries[i].due > clock_now())
            run->undated.entries[kept++] = run->undated.entries[i];
    run->undated.count = kept;
}

static size_t room_on_lists(const struct list *taken, size_t most)
{
    return taken->count < most ? most - taken->count : 0;
}

static size_t room_for_new(const struct list *taken)
{
    size_t room = room_on_lists(taken, MOST_TAKEN + MOST_NEW);
    return room < MOST_NEW ? room : MOST_NEW;
}

/*
 * The milliseconds that reading the folder took: what is delivered on the way is no looking. What
 * came since then is visited even when the lists are full, for a next hop that is slow with many
 * messages keeps nobody else's waiting.
 */
static int64_t visit_due(struct run *run, const char *since)
{
    forget_undated(run);
    struct list due, taken = list_taken(run);
    const struct list_wish wish = {.longest_wait = settings_longest_wait(&run->settings),
                                   .taken = &taken,
                                   .most = room_on_lists(&taken, MOST_TAKEN),
                                   .most_new = room_for_new(&taken),
                                   .since = since};
    int64_t begun = clock_ms();
    struct outcome outcome = list_read_due(&run->queue, &wish, &due);
    int64_t took = clock_ms() - begun;
    if (!outcome_good(&outcome))
        fall_short(run, &outcome);
    run->unseen = run->unseen || due.later;
    /* Where none is visited and none on its way, another look would find the same. */
    run->again = run->again || (due.more && (due.count || taken.count > run->undated.count));
    list_free(&taken);
    if (due.rubbish)
        letter_sweep(&run->queue);
    for (size_t i = 0; i < due.count && !ending_is_due(); i++)
        visit(run, due.entries[i].id, LETTER_WORK);
    run->unseen = run->unseen || ending_is_due();
    list_free(&due);
    letter_sync(&run->queue);
    return took;
}

static bool is_waiting(const struct run *run)
{
    for (size_t i = 0; i < run->hop_count; i++)
        if (run->hops[i]->waiting.count)
            return true;
    return false;
}

static bool is_at_work(const struct run *run)
{
    return run->worker_count || run->old_workers || is_waiting(run);
}

/*
 * When to look at the folder again and when to start workers. Programs that send many messages
 * call sendmail many times in a row: waiting for a moment makes one connection of what would be
 * one each.
 */
struct pace {
    int64_t next_look;
    char since[QUEUE_ID_SIZE];          /* what came after that was not there at the last look */
    int64_t gathered, gathered_at_last; /* workers start at the earlier of the two */
};

static void look(struct run *run, struct pace *pace)
{
    run->stale = tables_refresh(run);
    if (run->stale)
        return;
    bool waited = is_waiting(run);
    run->again = false;
    runner_read_traces(&run->queue, &run->trace);
    time_t begun = clock_now();
    int64_t rest = visit_due(run, pace->since) * LOOK_SHARE;
    queue_id_of_time(begun - LONGEST_SUBMISSION, pace->since);
    int64_t now = clock_ms();
    pace->next_look = now + (rest > LOOK_EVERY_MS ? rest : LOOK_EVERY_MS);
    pace->gathered = run->gathers ? now + GATHER_MS : now;
    if (!waited)
        pace->gathered_at_last = run->gathers ? now + GATHER_MOST_MS : now;
}

/* Nothing is begun any more, here and by workers. */
static void wind_up(struct run *run)
{
    run->unseen = true;
    for (size_t i = 0; i < run->worker_count; i++)
        kill(run->workers[i].pid, SIGTERM);
    for (size_t i = 0; i < run->hop_count; i++)
        list_free(&run->hops[i]->waiting);
}

static void end_if_told(struct run *run)
{
    if (run->ending || !ending_is_due())
        return;
    log_notice("the queue run is told to end");
    run->ending = true;
    wind_up(run);
}

/* The workers finish what they have in hand, and nothing waits for that. */
static void begin_anew(struct run *run)
{
    log_notice("the settings have changed: the queue run begins anew");
    wind_up(run);
    for (size_t i = 0; i < run->worker_count; i++)
        list_free(&run->workers[i].letters);
    run->old_workers += run->worker_count;
    run->worker_count = 0;
}

bool run_is_over(const struct run *run)
{
    return ending_is_due() || (run->coordinator && getppid() != run->coordinator);
}

/* Whether there is something new: not once more for what could not be seen to. */
static bool must_look(const struct run *run)
{
    return run->again && !run->ending && outcome_good(&run->problem);
}

/* Until no worker is left and, when looking at the folder, no submitter has left a mark. */
static void run_until_done(struct run *run, bool looks)
{
    struct pace pace = {.since = "~"};
    for (;;) {
        end_if_told(run);
        int64_t now = clock_ms();
        bool may_look = looks && !run->ending && now >= pace.next_look;
        if (may_look && (runner_take_mark(&run->queue) || must_look(run)))
            look(run, &pace);
        if (run->stale) {
            begin_anew(run);
            return;
        }
        now = clock_ms();
        if (now >= pace.gathered || now >= pace.gathered_at_last)
            for (size_t i = 0; i < run->hop_count; i++)
                start_workers(run, run->hops[i]);
        reap_workers(run);
        end_if_told(run);
        if (!is_at_work(run) && !(looks && must_look(run)))
            return;
        if (run->watch)
            run->watch(run->watcher);
        wait_for_news(LOOK_EVERY_MS);
    }
}

/* The end of a worker is waited for, not handled. */
static void become_coordinator(struct run *run)
{
    sigset_t child;
    ending_expect();
    run->coordinator = getpid();
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
}

struct outcome run_queue(struct run *run)
{
    become_coordinator(run);
    bool first = true;
    do {
        struct outcome outcome = runner_lock(&run->queue, &run->lock);
        if (!outcome_good(&outcome) || run->lock < 0)
            return outcome;
        /* Whoever had the lock meanwhile has seen to it; or it does not go away. */
        if (!first && !runner_take_mark(&run->queue)) {
            runner_unlock(&run->lock);
            break;
        }
        first = false;
        run->trace = RUN_TRACE_NONE;
        run->unseen = run->undated.count > 0;
        run->again = true;
        run_until_done(run, true);
        runner_clear_traces(&run->queue, &run->trace, !run->unseen);
        runner_unlock(&run->lock);
        /* A submitter who saw the lock held just now relies on this look. */
    } while (!run->ending && !run->stale && outcome_good(&run->problem) &&
             runner_has_mark(&run->queue));
    if (!outcome_good(&run->problem))
        return outcome_later("4.3.0", "the queue run is not through: %s", run->problem.reason);
    return outcome_done();
}

/* What another process has goes onto the list, if there is one; else it is waited for. */
static void visit_these(struct run *run, const struct list *ids, struct list *busy)
{
    for (size_t i = 0; i < ids->count && !ending_is_due(); i++) {
        const char *id = ids->entries[i].id;
        if (visit(run, id, busy ? LETTER_WORK : LETTER_WAIT) == LETTER_BUSY && busy)
            list_add(busy, id);
        if (run->watch)
            run->watch(run->watcher);
    }
    run_until_done(run, false);
}

void run_letters(struct run *run, const struct list *ids)
{
    struct list busy = {0};
    become_coordinator(run);
    run->insist = true;
    run->trace = RUN_TRACE_NONE;
    runner_read_traces(&run->queue, &run->trace);
    visit_these(run, ids, &busy);
    visit_these(run, &busy, NULL);
    list_free(&busy);
    while (run->reports.count) {
        struct list reports = run->reports;
        run->reports = (struct list){0};
        visit_these(run, &reports, NULL);
        list_free(&reports);
    }
    letter_sync(&run->queue);
    runner_clear_traces(&run->queue, &run->trace, false);
}

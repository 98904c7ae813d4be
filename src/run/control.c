/*
 * Everything here goes by the lock of a message: who finds it with a worker waits, and then does
 * what is left to do. Nothing is said while a lock is held, for standard output may be a pipe
 * whose reader has stopped.
 */
#include "run/control.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "queue/journal.h"
#include "run/answer.h"

enum {
    PATIENCE = 60,      /* seconds in which the ids have to come */
    MOST_IDS = 4000000, /* more are no list of messages of a queue */
    LINE_LONGEST = 64
};

struct control {
    struct run *run;
    uid_t caller;
    bool chosen;   /* see struct control_order */
    char name[64]; /* of the caller, for the log */
    int status;    /* of the first thing that was not done */
    struct answers answers;
    struct list before; /* what is to be tried, with its times before */
};

/* What came of it: for programs and for people; NULL: nothing is to be said. */
struct done {
    const char *result, *words;
};

/* ---- what, and by whom ---- */

static struct outcome let_go(struct control *control, struct letter *letter, struct done *done);
static struct outcome hold(struct control *control, struct letter *letter, struct done *done);
static struct outcome release(struct control *control, struct letter *letter, struct done *done);
static struct outcome take_out(struct control *control, struct letter *letter, struct done *done);
static struct outcome give_up(struct control *control, struct letter *letter, struct done *done);

/* act: with a locked message; NULL: all of them together, see retry. */
static const struct {
    const char *option;
    struct outcome (*act)(struct control *control, struct letter *letter, struct done *done);
} actions[] = {
    [CONTROL_RETRY] = {"--retry", NULL},       [CONTROL_FETCH] = {"--fetch", let_go},
    [CONTROL_HOLD] = {"--hold", hold},         [CONTROL_RELEASE] = {"--release", release},
    [CONTROL_DELETE] = {"--delete", take_out}, [CONTROL_BOUNCE] = {"--bounce", give_up},
};

bool control_find(const char *option, enum control_action *action)
{
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(option, actions[i].option) == 0) {
            *action = (enum control_action)i;
            return true;
        }
    return false;
}

bool control_is_master(uid_t caller)
{
    return caller == 0 || caller == getuid();
}

static void find_name(struct control *control)
{
    const struct passwd *user = getpwuid(control->caller);
    if (user && user->pw_name[0])
        snprintf(control->name, sizeof control->name, "%s", user->pw_name);
    else
        snprintf(control->name, sizeof control->name, "uid-%lu", (unsigned long)control->caller);
}

/* ---- words ---- */

static void refuse(struct control *control, int status, const char *id, const char *why)
{
    if (control->status == EX_OK)
        control->status = status;
    answers_refuse(&control->answers, id, why);
}

static void refuse_missing(struct control *control, const char *id)
{
    if (!control->chosen)
        refuse(control, EX_NOINPUT, id, "there is no such message in the queue");
}

static void refuse_unopened(struct control *control, const char *id, enum letter_found found,
                            const struct outcome *problem)
{
    if (found == LETTER_GONE)
        refuse_missing(control, id);
    else
        refuse(control, EX_TEMPFAIL, id, problem->reason);
}

/* The kernel says whose file it is. */
static bool may(struct control *control, const char *id)
{
    struct stat info;
    if (fstatat(control->run->queue.spool, id, &info, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT)
            refuse_missing(control, id);
        else
            refuse(control, EX_TEMPFAIL, id, strerror(errno));
        return false;
    }
    if (control_is_master(control->caller) || info.st_uid == control->caller)
        return true;
    refuse(control, EX_NOPERM, id, "only root may do that: the message is not yours");
    return false;
}

/* ---- which ---- */

/* Before any lock is taken: who sends them may be slow. */
static void read_ids(struct control *control, struct list *ids)
{
    struct input input = {.fd = STDIN_FILENO};
    struct buffer line = {.limit = LINE_LONGEST};
    alarm(PATIENCE);
    while (ids->count < MOST_IDS && input_line(&input, &line)) {
        if (!line.failed && line.data[line.length - 1] == '\n')
            line.data[--line.length] = '\0';
        if (line.failed || strlen(line.data) != line.length || !queue_is_id(line.data))
            refuse(control, EX_DATAERR, "standard input", "a line of it is no id of a message");
        else
            list_add(ids, line.data);
        buffer_clear(&line);
    }
    alarm(0);
    if (input.error)
        refuse(control, EX_IOERR, "standard input", strerror(input.error));
    buffer_free(&line);
    input_free(&input);
    list_sort(ids);
}

/* Leaves those that the caller may command. */
static void choose(struct control *control, struct list *ids)
{
    size_t kept = 0;
    for (size_t i = 0; i < ids->count; i++)
        if (may(control, ids->entries[i].id))
            ids->entries[kept++] = ids->entries[i];
    ids->count = kept;
}

/* ---- one message ---- */

/* What its sender is owed by now does not wait for the release. */
static struct outcome hold(struct control *control, struct letter *letter, struct done *done)
{
    *done = (struct done){"held", "held"};
    if (letter->held && !letter->by_route) {
        done->words = "was held already";
        return outcome_done();
    }
    journal_hold(letter);
    struct outcome outcome = journal_save(letter);
    if (outcome_good(&outcome)) {
        log_event(letter->id, "held", "by", control->name, NULL);
        settle(control->run, letter, false);
    }
    if (letter_is_finished(letter))
        *done = (struct done){"left", "was through already"};
    return outcome;
}

static struct outcome note_release(const struct control *control, struct letter *letter)
{
    journal_release(letter);
    struct outcome outcome = journal_save(letter);
    if (outcome_good(&outcome)) {
        log_event(letter->id, "released", "by", control->name, NULL);
        outcome = journal_set_due(letter, clock_now());
    }
    return outcome;
}

static struct outcome release(struct control *control, struct letter *letter, struct done *done)
{
    *done = (struct done){"released",
                          letter_is_held(letter) ? "released" : "was not held, and is due now"};
    struct outcome outcome = note_release(control, letter);
    control->run->again = true;
    return outcome;
}

/* Held by its route, or as far as its route has a say: others of its recipients may be waited for.
 */
static bool waits_by_route(const struct run *run, const struct letter *letter)
{
    struct next_hop next;
    if (letter_is_held(letter))
        return letter->by_route;
    for (size_t i = 0; i < letter->count; i++) {
        if (letter->recipients[i].progress != PROGRESS_PENDING)
            continue;
        hops_way(run, letter, i, &next);
        if (next.way == WAY_HOLD)
            return true;
    }
    return false;
}

static struct outcome let_go(struct control *control, struct letter *letter, struct done *done)
{
    (void)done;
    return waits_by_route(control->run, letter) ? note_release(control, letter) : outcome_done();
}

static struct outcome take_out(struct control *control, struct letter *letter, struct done *done)
{
    *done = (struct done){"deleted", "deleted"};
    struct outcome outcome = letter_remove(letter);
    if (outcome_good(&outcome))
        log_event(letter->id, "removed", "by", control->name, NULL);
    return outcome;
}

/* The failures are on disk before the report is made, as with any other. */
static struct outcome give_up(struct control *control, struct letter *letter, struct done *done)
{
    *done = (struct done){"bounced", "given up"};
    if (letter_is_held(letter))
        journal_release(letter);
    for (size_t i = 0; i < letter->count; i++)
        if (letter->recipients[i].progress == PROGRESS_PENDING)
            journal_mark(letter, i, PROGRESS_FAILED, "5.0.0", "given up by the administrator");
    struct outcome outcome = journal_save(letter);
    if (!outcome_good(&outcome))
        return outcome;
    log_event(letter->id, "requested", "action", "bounce", "by", control->name, NULL);
    settle(control->run, letter, false);
    return outcome;
}

static void act(struct control *control, enum control_action action, const char *id)
{
    struct letter letter;
    struct outcome problem;
    struct done done = {0};
    enum letter_found found =
        letter_open(&control->run->queue, id, LETTER_WAIT, false, &letter, &problem);
    if (found != LETTER_OPENED) {
        refuse_unopened(control, id, found, &problem);
        return;
    }
    struct outcome outcome = actions[action].act(control, &letter, &done);
    letter_close(&letter);
    if (!outcome_good(&outcome))
        refuse(control, EX_TEMPFAIL, id, outcome.reason);
    else if (done.words)
        answers_done(&control->answers, id, done.result, done.words, NULL);
}

/* ---- a retry, of all together ---- */

static void tell(struct control *control, const char *id)
{
    struct letter letter;
    struct outcome problem;
    enum letter_found found =
        letter_open(&control->run->queue, id, LETTER_LOOK, false, &letter, &problem);
    if (found == LETTER_GONE) {
        answers_done(&control->answers, id, "left", "has left the queue", NULL);
        return;
    }
    if (found != LETTER_OPENED) {
        refuse(control, EX_TEMPFAIL, id, problem.reason);
        return;
    }
    const char *reason = letter_reason(&letter);
    if (letter_is_held(&letter))
        refuse(control, EX_TEMPFAIL, id, "it is held: release it first");
    else
        answers_done(&control->answers, id, "queued", "still queued",
                     reason ? reason : "not tried");
    letter_close(&letter);
}

/* Of those that are to be tried: they have left the queue, or have another time. Both lists are in
 * the order of ids. */
static size_t count_tried(const struct list *before, const struct list *now)
{
    size_t tried = 0, at = 0;
    for (size_t i = 0; i < before->count; i++) {
        const struct list_entry *entry = &before->entries[i];
        while (at < now->count && strcmp(now->entries[at].id, entry->id) < 0)
            at++;
        bool there = at < now->count && strcmp(now->entries[at].id, entry->id) == 0;
        tried += !there || now->entries[at].due != entry->due;
    }
    return tried;
}

static void watch(void *context)
{
    struct control *control = context;
    struct list now = {0};
    if (!bar_is_due(&control->answers.bar))
        return;
    struct outcome outcome = list_read(&control->run->queue, &now);
    if (outcome_good(&outcome))
        bar_draw(&control->answers.bar, count_tried(&control->before, &now), control->before.count);
    list_free(&now);
}

/* Notes when they are due, without looking into them. */
static void begin_to_watch(struct control *control, const struct list *ids)
{
    struct list all = {0};
    struct outcome outcome = list_read(&control->run->queue, &all);
    for (size_t i = 0, at = 0; outcome_good(&outcome) && i < ids->count; i++) {
        while (at < all.count && strcmp(all.entries[at].id, ids->entries[i].id) < 0)
            at++;
        if (at == all.count || strcmp(all.entries[at].id, ids->entries[i].id) != 0)
            continue;
        list_add(&control->before, ids->entries[i].id);
        control->before.entries[control->before.count - 1].due = all.entries[at].due;
    }
    list_free(&all);
    control->run->watch = watch;
    control->run->watcher = control;
}

static void retry(struct control *control, const struct list *ids)
{
    if (control->answers.many)
        begin_to_watch(control, ids);
    for (size_t i = 0; i < ids->count; i++)
        log_event(ids->entries[i].id, "requested", "action", "retry", "by", control->name, NULL);
    run_letters(control->run, ids);
    bar_leave(&control->answers.bar);
    list_free(&control->before);
    for (size_t i = 0; i < ids->count; i++)
        tell(control, ids->entries[i].id);
}

/* ---- the whole ---- */

static void act_on_all(struct control *control, enum control_action action, const struct list *ids)
{
    struct bar *bar = &control->answers.bar;
    for (size_t i = 0; i < ids->count; i++) {
        act(control, action, ids->entries[i].id);
        if (control->answers.many && action != CONTROL_FETCH && bar_is_due(bar))
            bar_draw(bar, i + 1, ids->count);
    }
    if (bar->drawn)
        bar_draw(bar, ids->count, ids->count);
    bar_leave(bar);
}

int control_run(struct run *run, const struct control_order *order)
{
    struct control control = {.run = run,
                              .caller = order->caller,
                              .chosen = order->chosen,
                              .answers = {.json = order->json}};
    enum control_action action = order->action;
    struct list ids = {0};
    bool tries = action == CONTROL_RETRY || action == CONTROL_FETCH;
    control.answers.action = actions[tries ? CONTROL_RETRY : action].option + strlen("--");
    find_name(&control);
    read_ids(&control, &ids);
    choose(&control, &ids);
    answers_begin(&control.answers, ids.count, run->verbose);
    if (actions[action].act)
        act_on_all(&control, action, &ids);
    if (tries)
        retry(&control, &ids);
    list_free(&ids);
    struct outcome outcome = letter_sync(&run->queue);
    if (!outcome_good(&outcome))
        refuse(&control, EX_TEMPFAIL, "the queue", outcome.reason);
    answers_end(&control.answers);
    /* What was released, and reports, are on their way at once. */
    if (run->again && actions[action].act && action != CONTROL_FETCH)
        runner_wake(&run->queue, run->config);
    return control.status;
}

int control_run_letter(struct run *run, const char *id, uid_t caller)
{
    struct control control = {.run = run, .caller = caller};
    struct list ids = {0};
    if (may(&control, id)) {
        list_add(&ids, id);
        run_letters(run, &ids);
    }
    list_free(&ids);
    return control.status;
}

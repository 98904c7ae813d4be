/* sendmail -q and postrider flush: asks for a run of the whole queue, and waits for it. */
#include "sendmail/flush.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>

#include "base/bar.h"
#include "base/process.h"
#include "queue/list.h"
#include "queue/runner.h"
#include "base/terminal.h"
#include "run/answer.h"
#include "sendmail/listing.h"
#include "sendmail/verb.h"

enum { NAP_MS = 20 /* between two looks whether the run has ended */ };

/* ---- the bar ---- */

/* What is due by the folders alone: no message is opened. */
static size_t count_due(const struct office *office)
{
    size_t due;
    struct outcome outcome =
        list_count_due(&office->queue, settings_longest_wait(&office->settings), &due);
    return outcome_good(&outcome) ? due : 0;
}

static void nap(void)
{
    struct timespec pause = {.tv_nsec = NAP_MS * 1000000L};
    nanosleep(&pause, NULL);
}

/* What has left the queue or has a later time is done; what comes meanwhile makes the whole more.
 */
static int watch(const struct office *office, pid_t runner)
{
    size_t all = count_due(office), rest;
    struct bar bar = {0};
    int status;
    pid_t ended;
    bar_draw(&bar, 0, all);
    while ((ended = waitpid(runner, &status, WNOHANG)) == 0 || (ended < 0 && errno == EINTR)) {
        if (bar_is_due(&bar)) {
            rest = count_due(office);
            all = rest > all ? rest : all;
            bar_draw(&bar, all - rest, all);
        }
        nap();
    }
    rest = count_due(office);
    bar_draw(&bar, rest < all ? all - rest : 0, all);
    puts(rest ? " (what is left is with another queue run)" : "");
    if (ended < 0)
        return EX_OSERR;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- the run ---- */

static int run(const struct office *office, bool verbose, bool bar)
{
    const char *const arguments[] = {verbose ? "--verbose" : NULL, NULL};
    fflush(stdout);
    /* How long the queue is, is not for everybody. */
    if (verbose || !bar || !terminal_is_there() || !office_is_master(office))
        return runner_run(office->config, arguments, true);
    pid_t runner = runner_start(office->config, arguments, true);
    return runner < 0 ? EX_OSERR : watch(office, runner);
}

static struct outcome run_and_wait(struct office *office, bool verbose, bool bar)
{
    int status = run(office, verbose, bar);
    if (status == EX_OK)
        return outcome_done();
    struct outcome outcome = outcome_later("4.3.0", "the queue run ended with status %d", status);
    outcome.exit_status = status;
    return outcome;
}

struct outcome flush_run(struct office *office, bool verbose, bool bar)
{
    struct outcome outcome = office_open_queue(office);
    if (!outcome_good(&outcome))
        return outcome;
    if (verbose && !office_is_master(office))
        return outcome_refuse(EX_NOPERM, "only root may watch this queue being run: it holds other "
                                         "people's mail; without -v it is run all the same");
    return run_and_wait(office, verbose, bar);
}

/* ---- what came of it, as objects ---- */

struct account {
    const struct office *office;
    struct list due; /* before the run, by id */
    size_t next;     /* of these, to be told of */
    struct answers answers;
};

static void note_due(void *context, const struct selected *selected)
{
    struct account *account = context;
    if (list_is_due(selected->entry, settings_longest_wait(&account->office->settings)))
        list_add(&account->due, selected->entry->id);
}

static void tell_left(struct account *account, const char *before)
{
    for (; account->next < account->due.count; account->next++) {
        const char *id = account->due.entries[account->next].id;
        if (before && strcmp(id, before) >= 0)
            return;
        answers_done(&account->answers, id, "left", "", NULL);
    }
}

/* Both walks go by id. */
static void tell_rest(void *context, const struct selected *selected)
{
    struct account *account = context;
    const char *id = selected->entry->id;
    tell_left(account, id);
    if (account->next == account->due.count ||
        strcmp(account->due.entries[account->next].id, id) != 0)
        return;
    account->next++;
    if (!selected->letter)
        answers_refuse(&account->answers, id, selected->problem);
    else
        answers_done(&account->answers, id, "queued", "",
                     listing_reason(selected->letter, selected->entry->due));
}

static struct outcome flush_and_tell(struct office *office)
{
    static const struct selection everything;
    struct account account = {.office = office, .answers = {.action = "flush", .json = true}};
    struct outcome outcome = office_open_queue(office);
    if (outcome_good(&outcome))
        outcome = selection_walk(office, &everything, false, note_due, &account);
    if (outcome_good(&outcome)) {
        struct outcome ran = run_and_wait(office, false, false);
        outcome = selection_walk(office, &everything, true, tell_rest, &account);
        tell_left(&account, NULL);
        if (outcome_good(&outcome))
            outcome = ran;
    }
    list_free(&account.due);
    return outcome;
}

struct outcome flush_verb(int argc, char *const argv[])
{
    struct verb_options options;
    struct office office = {0};
    struct outcome outcome = verb_parse(argc, argv, VERB_VERBOSE | VERB_JSON, &options);
    if (outcome_good(&outcome) && options.given == (VERB_VERBOSE | VERB_JSON))
        outcome = outcome_refuse(EX_USAGE, "either --json or --verbose");
    if (outcome_good(&outcome))
        outcome = office_open(options.config, &office);
    if (outcome_good(&outcome))
        outcome = options.given & VERB_JSON
                      ? flush_and_tell(&office)
                      : flush_run(&office, options.given & VERB_VERBOSE, true);
    office_close(&office);
    verb_free(&options);
    return outcome;
}

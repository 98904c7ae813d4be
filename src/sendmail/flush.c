/* sendmail -q and postrider flush: asks for a run of the whole queue, and waits for it. */
#include "sendmail/flush.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>

#include "base/clock.h"
#include "base/process.h"
#include "queue/list.h"
#include "queue/runner.h"
#include "base/terminal.h"
#include "sendmail/verb.h"

enum {
    BAR = 40,        /* columns */
    LOOK_MS = 100,   /* between two looks, */
    LOOK_SHARE = 20, /* which take a twentieth of the time at the most */
};

/* ---- the bar ---- */

/* What is due by the folders alone: no message is opened. */
static size_t count_due(const struct office *office)
{
    size_t due;
    struct outcome outcome =
        list_count_due(&office->queue, settings_longest_wait(&office->settings), &due);
    return outcome_good(&outcome) ? due : 0;
}

static void draw(size_t done, size_t all)
{
    size_t filled = all ? done * BAR / all : BAR;
    printf("\r[");
    for (size_t i = 0; i < BAR; i++)
        putchar(i < filled ? '#' : '.');
    printf("] %zu of %zu ", done, all);
    fflush(stdout);
}

static void nap(int64_t ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

/* What has left the queue or has a later time is done; what comes meanwhile makes the whole more.
 */
static int watch(const struct office *office, pid_t runner)
{
    size_t all = count_due(office), rest;
    int status;
    pid_t ended;
    draw(0, all);
    while ((ended = waitpid(runner, &status, WNOHANG)) == 0 || (ended < 0 && errno == EINTR)) {
        int64_t begun = clock_ms();
        rest = count_due(office);
        all = rest > all ? rest : all;
        draw(all - rest, all);
        int64_t took = clock_ms() - begun;
        nap(took * LOOK_SHARE > LOOK_MS ? took * LOOK_SHARE : LOOK_MS);
    }
    rest = count_due(office);
    draw(rest < all ? all - rest : 0, all);
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

struct outcome flush_run(struct office *office, bool verbose, bool bar)
{
    struct outcome outcome = office_open_queue(office);
    if (!outcome_good(&outcome))
        return outcome;
    if (verbose && !office_is_master(office))
        return outcome_refuse(EX_NOPERM, "only root may watch this queue being run: it holds other "
                                         "people's mail; without -v it is run all the same");
    int status = run(office, verbose, bar);
    if (status == EX_OK)
        return outcome;
    outcome = outcome_later("4.3.0", "the queue run ended with status %d", status);
    outcome.exit_status = status;
    return outcome;
}

struct outcome flush_verb(int argc, char *const argv[])
{
    struct verb_options options;
    struct office office = {0};
    struct outcome outcome = verb_parse(argc, argv, VERB_VERBOSE, &options);
    if (outcome_good(&outcome))
        outcome = office_open(options.config, &office);
    if (outcome_good(&outcome))
        outcome = flush_run(&office, options.given & VERB_VERBOSE, true);
    office_close(&office);
    verb_free(&options);
    return outcome;
}

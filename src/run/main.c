/*
 * postrider-run: one run of the queue, or of some of its messages, or what people want done with
 * these (control.c); and verbs of postrider's, about keys (dkim_key.c) and what to look at
 * (check.c). Run by the queue's own user for the installed queue, by its owner for a queue of one's
 * own (-C).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "run/check.h"
#include "run/control.h"
#include "run/dkim_key.h"
#include "run/explain.h"
#include "run/newaliases.h"
#include "run/run.h"
#include "run/tables.h"

static const char usage[] =
    "usage: postrider-run [-C FILE] [--verbose] [--for UID] [--background | --id ID]\n"
    "       postrider-run [-C FILE] [--verbose | --json] [--chosen] [--for UID] --retry | --fetch "
    "| "
    "--hold | --release | --delete | --bounce\n"
    "           with ids of messages on standard input, one a line\n"
    "       postrider-run dkim-key [-C FILE] [--selector NAME] "
    "[--type rsa|ed25519]\n"
    "           [--force | --show] DOMAIN\n"
    "       postrider-run newaliases [-C FILE]\n"
    "       postrider-run route [-C FILE] [--sender ADDRESS] [--json] [--test] [--] ADDRESS...\n"
    "       postrider-run check [-C FILE] [--online] [--smarthosts]\n";

/* ---- setting up ---- */

static struct outcome set_up(struct run *run)
{
    struct outcome outcome = tables_open(run);
    if (!outcome_good(&outcome))
        return outcome;
    outcome = log_to_file(run->settings.log_file);
    if (!outcome_good(&outcome))
        log_error("%s", outcome.reason);
    return queue_open(run->settings.queue_directory, run->config != NULL, &run->queue);
}

static void tear_down(struct run *run)
{
    hops_free(run);
    list_free(&run->reports);
    free(run->workers);
    list_free(&run->undated);
    for (size_t i = 0; i < run->busy_count; i++)
        free(run->busy[i].place);
    free(run->busy);
    queue_close(&run->queue);
    tables_close(run);
    log_close();
}

/* What is to be done. */
struct task {
    const char *id; /* NULL: the whole queue */
    bool ordered;   /* something with the messages on standard input */
    struct control_order order;
};

static bool read_arguments(int argc, char **argv, struct run *run, struct task *task)
{
    for (int i = 1; i < argc; i++) {
        uint64_t uid;
        if (strcmp(argv[i], "--verbose") == 0)
            run->verbose = true;
        else if (strcmp(argv[i], "--json") == 0)
            task->order.json = true;
        else if (strcmp(argv[i], "--chosen") == 0)
            task->order.chosen = true;
        else if (strcmp(argv[i], "--background") == 0)
            run->gathers = true;
        else if (strcmp(argv[i], "-C") == 0 && i + 1 < argc)
            run->config = argv[++i];
        else if (strcmp(argv[i], "--id") == 0 && i + 1 < argc && queue_is_id(argv[i + 1]))
            task->id = argv[++i];
        else if (strcmp(argv[i], "--for") == 0 && i + 1 < argc &&
                 text_to_number(argv[i + 1], 0, UINT32_MAX - 1, &uid))
            task->order.caller = (uid_t)uid, i++;
        else if (control_find(argv[i], &task->order.action))
            task->ordered = true;
        else
            return false;
    }
    return true;
}

/* By new settings as often as they change. */
static struct outcome run_whole_queue(struct run *run)
{
    struct outcome outcome = run_queue(run);
    while (outcome_good(&outcome) && run->stale) {
        const struct run next = {.config = run->config,
                                 .verbose = run->verbose,
                                 .gathers = run->gathers,
                                 .old_workers = run->old_workers,
                                 .lock = -1,
                                 .trace = RUN_TRACE_NONE};
        tear_down(run);
        *run = next;
        outcome = set_up(run);
        if (outcome_good(&outcome))
            outcome = run_queue(run);
    }
    return outcome;
}

/* Whoever starts this program himself has nothing but his own rights. */
static int perform(struct run *run, const struct task *task)
{
    struct outcome outcome = set_up(run);
    if (outcome_good(&outcome) && task->ordered)
        return control_run(run, &task->order);
    if (outcome_good(&outcome) && task->id)
        return control_run_letter(run, task->id, task->order.caller);
    if (outcome_good(&outcome) && run->verbose && !control_is_master(task->order.caller))
        outcome = outcome_refuse(EX_NOPERM, "only root may watch this queue being run");
    if (outcome_good(&outcome))
        outcome = run_whole_queue(run);
    if (!outcome_good(&outcome)) {
        log_error("%s", outcome.reason);
        fprintf(stderr, "postrider-run: %s\n", outcome.reason);
    }
    return outcome.exit_status;
}

/* What was to be done is done, whoever has stopped listening; a full disk is another matter. */
static int end_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno != EPIPE)
        fprintf(stderr, "postrider-run: cannot write to standard output: %s\n", strerror(errno));
    return status == EX_OK ? EX_IOERR : status;
}

/* Verbs of postrider's that it hands over to us, for what they need is not linked into it. */
static const struct {
    const char *name;
    struct outcome (*run)(int argc, char *const argv[]);
} verbs[] = {{"check", check_run},
             {"dkim-key", dkim_key_run},
             {"newaliases", newaliases_run},
             {"route", explain_run}};

int main(int argc, char **argv)
{
    process_settle();
    (void)process_folder(); /* which remembers it */
    umask(027);
    log_open("postrider-run");
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return process_end("postrider", verbs[i].run(argc - 1, argv + 1));
    struct run run = {.lock = -1, .trace = {.fd = -1}};
    struct task task = {.order.caller = getuid()};
    if (!read_arguments(argc, argv, &run, &task)) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    int status = end_output(perform(&run, &task));
    tear_down(&run);
    return status;
}

/*
 * The front door: postrider, and by its other names sendmail, mailq and newaliases. Puts the
 * process in order, finds out which of its ways is meant, and is the one place where outcomes
 * become a line on standard error and an exit status of sysexits.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/privilege.h"
#include "base/process.h"
#include "base/terminal.h"
#include "sendmail/flush.h"
#include "sendmail/help.h"
#include "sendmail/mailq.h"
#include "sendmail/newaliases.h"
#include "sendmail/office.h"
#include "sendmail/options.h"
#include "sendmail/order.h"
#include "sendmail/route.h"
#include "sendmail/selection.h"
#include "sendmail/serve.h"
#include "sendmail/submission.h"
#include "sendmail/verbs.h"

#ifndef POSTRIDER_VERSION
#define POSTRIDER_VERSION "0.1.0"
#endif

/* ---- sendmail's ways ---- */

/* -M, -Mrm and -q with filters. */
static struct outcome run_order(struct office *office, const struct options *options)
{
    struct texts ids = {0};
    struct selection selection = {.filters = options->filters,
                                  .filter_count = options->filter_count};
    const struct order order = {.option = options->mode == MODE_DELETE ? "--delete" : "--retry",
                                .verbose = options->verbose && options->mode != MODE_DELETE};
    if (options->mode != MODE_RUN)
        selection.ids = &ids;
    if (options->id)
        texts_add(&ids, options->id);
    for (size_t i = 0; i < options->argument_count; i++)
        texts_add(&ids, options->arguments[i]);
    struct outcome outcome = options->mode != MODE_RUN && !ids.count
                                 ? outcome_refuse(EX_USAGE, "-Mrm needs ids of messages")
                                 : order_run(office, &selection, &order);
    texts_free(&ids);
    return outcome;
}

static struct outcome run_office(struct office *office, const struct options *options)
{
    if (options->mode == MODE_SUBMIT)
        return submission_run(office, options);
    if (options->mode == MODE_RETRY || options->mode == MODE_DELETE)
        return run_order(office, options);
    if (options->mode == MODE_VERIFY)
        return route_run(office, options);
    if (options->argument_count)
        return outcome_refuse(EX_USAGE, "\"%s\": no addresses are taken here",
                              options->arguments[0]);
    const struct selection selection = {.filters = options->filters,
                                        .filter_count = options->filter_count};
    if (options->mode == MODE_LIST)
        return mailq_run(office, &selection, options->verbose);
    if (options->mode == MODE_ALIASES)
        return newaliases_start(office);
    if (options->mode == MODE_TEST)
        return route_run(office, options);
    if (options->mode == MODE_SESSION)
        return serve_session(office);
    if (options->mode == MODE_LISTEN || options->mode == MODE_TIMER)
        return serve_run(office, options);
    if (options->filter_count)
        return run_order(office, options);
    return flush_run(office, options->verbose, false);
}

static struct outcome run_sendmail(int argc, char *const argv[], enum mode mode)
{
    struct options options;
    struct office office = {0};
    struct outcome outcome = options_parse(argc, argv, mode, &options);
    /* Its caller's own program: what his environment says of how it was started stays. */
    if (outcome_good(&outcome) && (options.mode == MODE_LISTEN || options.mode == MODE_TIMER))
        outcome = privilege_drop_group();
    if (outcome_good(&outcome))
        outcome = office_open(options.config, &office);
    if (outcome_good(&outcome))
        outcome = run_office(&office, &options);
    office_close(&office);
    options_free(&options);
    return outcome;
}

/* ---- entry ---- */

/* What the name that we were called by stands for; a name of our own, not the caller's, is shown.
 */
static const struct entry {
    const char *name;
    enum mode mode;
    bool has_verbs;
} entries[] = {
    {"sendmail", MODE_SUBMIT, false}, /* by any other name, too */
    {"postrider", MODE_SUBMIT, true},
    {"mailq", MODE_LIST, false},
    {"newaliases", MODE_ALIASES, false},
};

static const struct entry *find_entry(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        if (strcmp(name, entries[i].name) == 0)
            return &entries[i];
    return &entries[0];
}

static int end(const char *name, struct outcome outcome)
{
    int status = process_end(name, outcome);
    log_close();
    return status;
}

/*
 * What our caller left open is no affair of a program with rights that he has not. The listener is
 * started with his alone: once the others are gone, sockets that were handed over to it stay.
 */
static struct outcome close_foreign_files(bool serves)
{
    struct outcome outcome = serves ? privilege_drop_group() : outcome_done();
    int kept = serves && outcome_good(&outcome) ? process_handed_over() : 0;
    process_close_from(3 + kept);
    if (!kept)
        unsetenv("LISTEN_FDS");
    return outcome;
}

int main(int argc, char *argv[])
{
    process_settle();
    terminal_tone(TONE_PLAIN); /* as the environment has it, while there is one */
    const struct entry *entry = find_entry(argc > 0 && argv[0] ? argv[0] : "");
    bool serves = entry->has_verbs && argc >= 2 && strcmp(argv[1], "serve") == 0;
    struct outcome closed = close_foreign_files(serves);
    static char block[65536]; /* long lists in few writes */
    if (!isatty(STDOUT_FILENO))
        setvbuf(stdout, block, _IOFBF, sizeof block);
    umask(027); /* the queue's group reads what we write */
    log_open("postrider");
    /* Kernels that allow no empty argv make it one empty string. */
    if (argc < 1 || !argv[0] || !argv[0][0])
        return end("postrider", outcome_refuse(EX_USAGE, "called without a name"));
    if (!outcome_good(&closed))
        return end(entry->name, closed);
    if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
        if (entry->has_verbs)
            help_print_all();
        else
            help_print(verbs_find(entry->name, true));
        return end(entry->name, outcome_done());
    }
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        puts("postrider " POSTRIDER_VERSION);
        return end(entry->name, outcome_done());
    }
    if (entry->has_verbs && argc < 2)
        return end("postrider",
                   outcome_refuse(EX_USAGE, "a command is wanted; postrider help names them"));
    if (entry->has_verbs && argv[1][0] != '-')
        return end("postrider", verbs_run(argc - 1, argv + 1));
    return end(entry->has_verbs ? "sendmail" : entry->name, run_sendmail(argc, argv, entry->mode));
}

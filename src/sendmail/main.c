/*
 * The front door: postrider, and by its other names sendmail, mailq and newaliases. Puts the
 * process in order, finds out which of its ways is meant, and is the one place where outcomes
 * become a line on standard error and an exit status of sysexits.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "base/log.h"
#include "base/process.h"
#include "sendmail/flush.h"
#include "sendmail/mailq.h"
#include "sendmail/newaliases.h"
#include "sendmail/office.h"
#include "sendmail/options.h"
#include "sendmail/submission.h"

#ifndef POSTRIDER_VERSION
#define POSTRIDER_VERSION "0.1.0"
#endif

static void print_failure(const char *name, const struct outcome *outcome)
{
    fprintf(stderr, "%s: %s\n", name, outcome->reason);
}

/* ---- verbs ---- */

static struct outcome verb_flush(int argc, char *const argv[]);

/* argv of a verb begins with the verb. */
static const struct verb {
    const char *name;
    const char *arguments;
    const char *summary;
    struct outcome (*run)(int argc, char *const argv[]);
} verbs[] = {
    {"flush", "[-C FILE] [--verbose]", "run the queue once, as sendmail -q does", verb_flush},
};

static void print_usage(void)
{
    puts("usage: postrider COMMAND, or as sendmail: sendmail [OPTION]... [ADDRESS]...");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        printf("  postrider %s %s\n      %s\n", verbs[i].name, verbs[i].arguments,
               verbs[i].summary);
    puts("  postrider --help | --version\n"
         "  sendmail [-i] [-t] [-f SENDER] [-F NAME] [-C FILE] [-v] [--] [ADDRESS]...\n"
         "      put the message on standard input into the queue and send it\n"
         "  mailq [-v]\n      list the queue\n"
         "  newaliases\n      make the databases of the alias files anew");
}

static struct outcome verb_flush(int argc, char *const argv[])
{
    const char *config = NULL;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0 || strcmp(argv[i], "-v") == 0) {
            verbose = true;
        } else if (strcmp(argv[i], "--help") == 0) {
            printf("usage: postrider flush %s\n%s\n", verbs[0].arguments, verbs[0].summary);
            return outcome_done();
        } else if (strncmp(argv[i], "-C", 2) == 0 && (argv[i][2] || i + 1 < argc)) {
            config = argv[i][2] ? argv[i] + 2 : argv[++i];
        } else {
            return outcome_refuse(EX_USAGE, "flush does not know \"%s\"; usage: postrider flush %s",
                                  argv[i], verbs[0].arguments);
        }
    }
    struct office office;
    struct outcome outcome = office_open(config, &office);
    if (outcome_good(&outcome))
        outcome = flush_run(&office, verbose);
    office_close(&office);
    return outcome;
}

static struct outcome run_verb(int argc, char *const argv[])
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(argv[0], verbs[i].name) == 0)
            return verbs[i].run(argc, argv);
    return outcome_refuse(EX_USAGE, "there is no command \"%s\"; postrider --help names them",
                          argv[0]);
}

/* ---- sendmail's ways ---- */

static void report_alias_file(const struct outcome *failure)
{
    print_failure("newaliases", failure);
}

static struct outcome run_office(struct office *office, const struct options *options)
{
    if (options->mode == MODE_SUBMIT)
        return submission_run(office, options);
    if (options->argument_count)
        return outcome_refuse(EX_USAGE, "\"%s\": no addresses are wanted here",
                              options->arguments[0]);
    if (options->mode == MODE_LIST)
        return mailq_run(office, options->verbose);
    if (options->mode == MODE_ALIASES)
        return newaliases_run(office, report_alias_file);
    return flush_run(office, options->verbose);
}

static struct outcome run_sendmail(int argc, char *const argv[], enum mode mode)
{
    struct options options;
    struct office office = {0};
    struct outcome outcome = options_parse(argc, argv, mode, &options);
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
    if (outcome_good(&outcome) && (fflush(stdout) != 0 || ferror(stdout)))
        outcome = outcome_refuse(EX_IOERR, "cannot write to standard output: %s", strerror(errno));
    if (!outcome_good(&outcome))
        print_failure(name, &outcome);
    log_close();
    return outcome_good(&outcome) ? EX_OK : outcome.exit_status;
}

int main(int argc, char *argv[])
{
    process_settle();
    process_close_from(3);
    umask(077);
    log_open("postrider");
    /* Kernels that allow no empty argv make it one empty string. */
    if (argc < 1 || !argv[0] || !argv[0][0])
        return end("postrider", outcome_refuse(EX_USAGE, "called without a name"));

    const struct entry *entry = find_entry(argv[0]);
    if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
        print_usage();
        return end(entry->name, outcome_done());
    }
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        puts("postrider " POSTRIDER_VERSION);
        return end(entry->name, outcome_done());
    }
    if (entry->has_verbs && argc < 2)
        return end("postrider",
                   outcome_refuse(EX_USAGE, "a command is wanted; postrider --help names them"));
    if (entry->has_verbs && argv[1][0] != '-')
        return end("postrider", run_verb(argc - 1, argv + 1));
    return end(entry->has_verbs ? "sendmail" : entry->name, run_sendmail(argc, argv, entry->mode));
}

/*
 * The front door: postrider, and by its other names sendmail, mailq and newaliases. Puts the
 * process in order, finds out which of its ways is meant, and is the one place where outcomes
 * become a line on standard error and an exit status of sysexits.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/privilege.h"
#include "base/process.h"
#include "sendmail/check.h"
#include "sendmail/dkim_key.h"
#include "sendmail/flush.h"
#include "sendmail/mailq.h"
#include "sendmail/newaliases.h"
#include "sendmail/office.h"
#include "sendmail/options.h"
#include "sendmail/order.h"
#include "sendmail/passwd.h"
#include "sendmail/queue_verb.h"
#include "sendmail/route.h"
#include "sendmail/selection.h"
#include "sendmail/serve.h"
#include "sendmail/setup.h"
#include "sendmail/status.h"
#include "sendmail/submission.h"

#ifndef POSTRIDER_VERSION
#define POSTRIDER_VERSION "0.1.0"
#endif

static void print_failure(const char *name, const struct outcome *outcome)
{
    if (*outcome->reason) /* else all was said before */
        fprintf(stderr, "%s: %s\n", name, outcome->reason);
}

/* ---- verbs ---- */

/* argv of a verb begins with the verb. */
static const struct verb {
    const char *name;
    const char *arguments;
    const char *summary;
    struct outcome (*run)(int argc, char *const argv[]);
} verbs[] = {
    {"queue", "[list] [ID... | --domain D | --sender S | --all] [--json]", "what waits and why",
     queue_verb},
    {"queue", "show ID...", "a message with its envelope and the state of each recipient",
     queue_verb},
    {"queue", "log ID... [--json]", "what happened to a message, from the log", queue_verb},
    {"queue", "retry ID... | --domain D | --sender S | --all [--release] [--verbose]",
     "try now; with --release also what a route alone holds", queue_verb},
    {"queue", "hold|release ID... | --domain D | --sender S | --all", "keep until released; let go",
     queue_verb},
    {"queue", "delete|bounce ID... | --domain D | --sender S | --all [--yes]",
     "take out without a word; give up, and tell the sender", queue_verb},
    {"flush", "[--verbose]", "run the queue once, as sendmail -q does", flush_verb},
    {"status", "[--json | --prometheus]", "the queue by age and domain, and how the next hops are",
     status_verb},
    {"trace", "ID|ADDRESS... [--json]",
     "what happened to a message, or to those from and to an address", trace_verb},
    {"route", "[--sender ADDRESS] [--json] ADDRESS...",
     "where mail for an address would go, and why", route_verb},
    {"serve", "[--foreground] [--every TIME]", "the listener, and queue runs by the clock",
     serve_verb},
    {"check", "[--online] [--json]", "whether all is as it should be, and how to mend what is not",
     check_verb},
    {"setup", "[PROVIDER] [--domain D] [--user U] [--password-file F] [--root A] [--test A]",
     "an account with a provider: asks for what is missing, signs in, writes both files",
     setup_verb},
    {"setup", "other --host H [--port P] [--tls MODE] [--tls-trust F]; [--name N --senders LIST]",
     "with a smarthost of your own; a further account, for these senders", setup_verb},
    {"setup", "... [--dry-run] [--offline] [--yes] [--json] [--verbose]",
     "show and write nothing; do not sign in; do not ask once more", setup_verb},
    {"setup", "--from PROGRAM [--from-root DIR]", "takes another mail program's settings over",
     setup_verb},
    {"passwd", "[--file FILE] [--delete | --check] NAME",
     "gives a user of the listener a password, takes him out, or checks one", passwd_verb},
    {"dkim-key", "[--selector NAME] [--type rsa|ed25519] [--force | --show] DOMAIN",
     "makes a key that signs a domain's mail, and prints its record for the DNS", dkim_key_verb},
};

static void print_verb(const struct verb *verb)
{
    printf("  postrider %s %s\n      %s\n", verb->name, verb->arguments, verb->summary);
}

static void print_usage(void)
{
    puts("usage: postrider COMMAND, or as sendmail: sendmail [OPTION]... [ADDRESS]...");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        print_verb(&verbs[i]);
    puts(
        "  postrider --help | --version\n"
        "  sendmail [-i] [-t] [-f SENDER] [-F NAME] [-C FILE] [-v] [--] [ADDRESS]...\n"
        "      put the message on standard input into the queue and send it\n"
        "  sendmail -q | -q[!]IPART | -q[!]RPART | -q[!]SPART | -M ID | -Mrm ID... [-v]\n"
        "      run the queue, or the messages with that in id, recipient or sender; try or remove\n"
        "  sendmail -bv ADDRESS... | -bt\n"
        "      where an address would go; the same for lines on standard input\n"
        "  sendmail -bd | -bD [-qTIME] | -qTIME | -bs\n"
        "      the listener, in the background or not; queue runs every so often; SMTP on "
        "standard\n"
        "      input and output\n"
        "  mailq [-v]\n      list the queue\n"
        "  newaliases\n      make the databases of the alias files anew");
}

static bool wants_help(int argc, char *const argv[])
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

static void print_verb_usage(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, name) == 0)
            print_verb(&verbs[i]);
    puts("  -C FILE: settings to use instead of the installed ones; more in postrider(8)");
}

static struct outcome run_verb(int argc, char *const argv[])
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(argv[0], verbs[i].name) == 0) {
            if (!wants_help(argc, argv))
                return verbs[i].run(argc, argv);
            print_verb_usage(argv[0]);
            return outcome_done();
        }
    return outcome_refuse(EX_USAGE, "there is no command \"%s\"; postrider --help names them",
                          argv[0]);
}

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
        return outcome_refuse(EX_USAGE, "\"%s\": no addresses are wanted here",
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
    if (outcome_good(&outcome) && (fflush(stdout) != 0 || ferror(stdout)))
        outcome = outcome_refuse(EX_IOERR, "cannot write to standard output: %s", strerror(errno));
    if (!outcome_good(&outcome))
        print_failure(name, &outcome);
    log_close();
    return outcome_good(&outcome) ? EX_OK : outcome.exit_status;
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
    const struct entry *entry = find_entry(argc > 0 && argv[0] ? argv[0] : "");
    bool serves = entry->has_verbs && argc >= 2 && strcmp(argv[1], "serve") == 0;
    struct outcome closed = close_foreign_files(serves);
    static char block[65536]; /* long lists in few writes */
    if (!isatty(STDOUT_FILENO))
        setvbuf(stdout, block, _IOFBF, sizeof block);
    umask(077);
    log_open("postrider");
    /* Kernels that allow no empty argv make it one empty string. */
    if (argc < 1 || !argv[0] || !argv[0][0])
        return end("postrider", outcome_refuse(EX_USAGE, "called without a name"));
    if (!outcome_good(&closed))
        return end(entry->name, closed);
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

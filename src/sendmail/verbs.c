/* See verbs.h. */
#include "sendmail/verbs.h"

#include <stddef.h>
#include <string.h>
#include <sysexits.h>

#include "config/spelling.h"
#include "sendmail/check.h"
#include "sendmail/dkim_key.h"
#include "sendmail/flush.h"
#include "sendmail/help.h"
#include "sendmail/passwd.h"
#include "sendmail/queue_verb.h"
#include "sendmail/route.h"
#include "sendmail/serve.h"
#include "sendmail/setup.h"
#include "sendmail/status.h"

#define FORMS(...)                                                                                 \
    (const struct verb_form[])                                                                     \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }

/* A command is read as it will be told. */
/* clang-format off */
static const struct verb table[] = {
    {"queue", GROUP_QUEUE, "what waits and why; try, hold, release, delete or bounce it",
     queue_verb,
     FORMS({"[list] [ID... | --domain D | --sender S | --all] [--json]", "what waits, and why"},
           {"show ID... [--json]", "a message with its envelope and the state of each recipient"},
           {"log ID... [--json]", "what happened to a message, from the log"},
           {"retry ID... | --domain D | --sender S | --all [--release] [--verbose | --json]",
            "try now; with --release also what a route alone holds"},
           {"hold|release ID... | --domain D | --sender S | --all [--json]",
            "keep until released; let go"},
           {"delete|bounce ID... | --domain D | --sender S | --all [--yes] [--json]",
            "take out without a word; give up, and tell the sender"}),
     "postrider queue retry --domain example.net"},
    {"flush", GROUP_QUEUE, "run the queue once, as sendmail -q does", flush_verb,
     FORMS({"[--verbose | --json]",
            "deliver what is due, and wait for the end; show the dialogue, or what came of each"}),
     "postrider flush --verbose"},
    {"trace", GROUP_QUEUE, "what happened to a message, even after it has left", trace_verb,
     FORMS({"ID|ADDRESS... [--json]",
            "what happened to a message, or to those from and to an address"}),
     "postrider trace you@example.net"},
    {"status", GROUP_QUEUE, "the queue by age and domain, and how the next hops are", status_verb,
     FORMS({"[--json | --prometheus]", "a table; or the same for programs"}),
     "postrider status --prometheus"},
    {"route", GROUP_QUEUE, "where mail for an address would go, and why", route_verb,
     FORMS({"[--sender ADDRESS] [--json] ADDRESS...",
            "each alias, list and route on its way; delivers nothing"}),
     "postrider route root you@example.net"},
    {"setup", GROUP_ORDER, "an account with a provider, from a few answers", setup_verb,
     FORMS({"[PROVIDER] [--domain D] [--user U] [--password-file F] [--root A] [--test A]",
            "asks for what is missing, signs in, writes both files, sends a test message"},
           {"[--provider] other --host H [--port P] [--tls T] [--tls-trust F] ...",
            "the same for a smarthost of which nothing is known"},
           {"PROVIDER --name NAME --senders S [--region R] ...",
            "another account beside the first, chosen by the sender"},
           {"--from PROGRAM [--from-root FOLDER] ...",
            "takes the settings of msmtp, ssmtp, dma, nullmailer, postfix or exim over"},
           {"... [--dry-run | --offline] [--yes] [--json] [--verbose]",
            "only show what would be written; do not sign in; do not ask; for programs"}),
     "postrider setup mailgun"},
    {"check", GROUP_ORDER, "whether all is right, and how to mend what is not", check_verb,
     FORMS({"[--online] [--json]", "looks at all files; or at the network as well, and signs in"}),
     "postrider check --online"},
    {"dkim-key", GROUP_ORDER, "a key that signs a domain's mail, and its record", dkim_key_verb,
     FORMS({"[--selector NAME] [--type rsa|ed25519] [--force | --show] DOMAIN",
            "makes it, or shows the one that is there; prints its record for the DNS"}),
     "postrider dkim-key example.org"},
    {"serve", GROUP_LISTEN, "the listener, and queue runs by the clock", serve_verb,
     FORMS({"[--foreground] [--every TIME]",
            "takes mail in as [listen] says; to stay, and how often the queue is run"}),
     "postrider serve --foreground --every 5m"},
    {"passwd", GROUP_LISTEN, "who may sign in there, and with which password", passwd_verb,
     FORMS({"[--file FILE] [--delete | --check] NAME",
            "gives a user a password, takes him out, or checks one"}),
     "postrider passwd anna"},
    {"sendmail", GROUP_NAMES, "takes a message, with sendmail's options", NULL,
     FORMS({"[-i] [-t] [-f SENDER] [-F NAME] [-v] [--] [ADDRESS]...",
            "put the message on standard input into the queue, and send it"},
           {"[-bm] [-odb | -odi | -odq] [-B TYPE] [-N NOTIFY] [-R RETURN] [-V ENVID] ...",
            "when it is sent; its type; when its sender is told, of how much, and by which name"},
           {"-q | -qf | -q[!]IPART | -q[!]RPART | -q[!]SPART [-v]",
            "run the queue, or the messages with that in id, recipient or sender"},
           {"-M ID | -Mrm ID... [-v]", "try these messages now, or remove them"},
           {"-bv ADDRESS... | -bt",
            "where an address would go; the same for lines on standard input"},
           {"-bd | -bD | -bdf [-qTIME] | -qTIME",
            "the listener, in the background or not; queue runs every so often"},
           {"-bs", "SMTP on standard input and output"},
           {"-bp | -bi", "as mailq; as newaliases"},
           {"-oi | -r SENDER | -O NAME=VALUE", "as -i; as -f; options by their long names"}),
     "echo 'Disk is full' | sendmail you@example.net"},
    {"mailq", GROUP_NAMES, "lists the queue, as sendmail -bp does", NULL,
     FORMS({"[-v] [-q[!]IPART] [-q[!]RPART] [-q[!]SPART]",
            "all, or the messages with that in id, recipient or sender; with their next try"}),
     "mailq -v"},
    {"newaliases", GROUP_NAMES, "makes the databases of the alias files anew", NULL,
     FORMS({"", "to be run after each change of an alias file"}), "newaliases"},
    {NULL, GROUPS, NULL, NULL, NULL, NULL},
};
/* clang-format on */

const struct verb *verbs_all(void)
{
    return table;
}

const struct verb *verbs_find(const char *name, bool names)
{
    for (const struct verb *verb = table; verb->name; verb++)
        if (strcmp(verb->name, name) == 0 && (names || verb->run))
            return verb;
    return NULL;
}

static struct outcome refuse(const char *name)
{
    const char *words[sizeof table / sizeof table[0] + 1] = {"help"};
    size_t count = 1;
    for (const struct verb *verb = table; verb->name; verb++)
        if (verb->run)
            words[count++] = verb->name;
    const char *nearest = spelling_nearest(name, words, count);
    return outcome_refuse(EX_USAGE, "there is no command \"%.100s\"%s%s; postrider help names them",
                          name, nearest ? ": perhaps " : "", nearest ? nearest : "");
}

static struct outcome run_help(int argc, char *const argv[])
{
    if (argc > 2)
        return outcome_refuse(EX_USAGE, "help tells about one command, not about %d", argc - 1);
    const struct verb *verb = argc == 2 ? verbs_find(argv[1], true) : NULL;
    if (argc == 2 && strcmp(argv[1], "--help") != 0 && !verb)
        return refuse(argv[1]);
    if (verb)
        help_print(verb);
    else
        help_print_all();
    return outcome_done();
}

static bool wants_help(int argc, char *const argv[])
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

struct outcome verbs_run(int argc, char *const argv[])
{
    if (strcmp(argv[0], "help") == 0)
        return run_help(argc, argv);
    const struct verb *verb = verbs_find(argv[0], false);
    if (!verb)
        return refuse(argv[0]);
    if (!wants_help(argc, argv))
        return verb->run(argc, argv);
    help_print(verb);
    return outcome_done();
}

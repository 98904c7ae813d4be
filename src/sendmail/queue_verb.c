/* See queue_verb.h. */
#include "sendmail/queue_verb.h"

#include <string.h>
#include <sysexits.h>

#include "config/spelling.h"
#include "queue/queue.h"
#include "run/answer.h"
#include "sendmail/listing.h"
#include "sendmail/office.h"
#include "sendmail/order.h"
#include "sendmail/selection.h"
#include "sendmail/show.h"
#include "sendmail/story.h"
#include "sendmail/verb.h"

enum {
    CHOICE = VERB_ARGUMENTS | VERB_ALL | VERB_DOMAIN | VERB_SENDER,
    EVERYTHING = CHOICE | VERB_JSON | VERB_YES | VERB_VERBOSE | VERB_RELEASE
};

/* What a line on the command line comes to. */
struct request {
    const struct action *action;
    const struct verb_options *options;
    struct selection selection;
};

struct action {
    const char *name;
    unsigned allowed; /* enum verb_option */
    bool needs_choice;
    struct outcome (*run)(struct office *office, const struct request *request);
    struct order order;
};

static struct outcome run_list(struct office *office, const struct request *request)
{
    return listing_run(office, &request->selection, request->options->given & VERB_JSON);
}

static struct outcome run_show(struct office *office, const struct request *request)
{
    return show_run(office, &request->selection, request->options->given & VERB_JSON);
}

static struct outcome run_log(struct office *office, const struct request *request)
{
    return story_run(office, request->selection.ids, request->selection.first_id,
                     request->options->given & VERB_JSON);
}

static struct answers answers; /* to be told as objects by the front door itself */

static void refuse_id(const char *id, const char *why)
{
    answers_refuse(&answers, id, why);
}

static struct outcome run_order(struct office *office, const struct request *request)
{
    struct order order = request->action->order;
    order.verbose = request->options->given & VERB_VERBOSE;
    order.json = request->options->given & VERB_JSON;
    if (request->options->given & VERB_YES)
        order.question = NULL;
    if (request->options->given & VERB_RELEASE)
        order.option = "--fetch";
    struct selection selection = request->selection;
    answers = (struct answers){.action = request->action->name, .json = true};
    if (order.json)
        selection.refuse = refuse_id;
    return order_run(office, &selection, &order);
}

static const struct action actions[] = {
    {"list", CHOICE | VERB_JSON, false, run_list, {0}}, /* also without a name */
    {"show", VERB_ARGUMENTS | VERB_JSON, true, run_show, {0}},
    {"log", VERB_ARGUMENTS | VERB_JSON, true, run_log, {0}},
    {"retry",
     CHOICE | VERB_VERBOSE | VERB_RELEASE | VERB_JSON,
     true,
     run_order,
     {.option = "--retry"}},
    {"hold", CHOICE | VERB_JSON, true, run_order, {.option = "--hold"}},
    {"release", CHOICE | VERB_JSON, true, run_order, {.option = "--release"}},
    {"delete",
     CHOICE | VERB_YES | VERB_JSON,
     true,
     run_order,
     {.option = "--delete", .question = "delete"}},
    {"bounce",
     CHOICE | VERB_YES | VERB_JSON,
     true,
     run_order,
     {.option = "--bounce", .question = "give up"}},
};

static struct outcome refuse_action(const char *word)
{
    const char *words[sizeof actions / sizeof actions[0]];
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        words[i] = actions[i].name;
    const char *nearest = spelling_nearest(word, words, sizeof actions / sizeof actions[0]);
    return outcome_refuse(
        EX_USAGE,
        "queue does not know \"%.100s\"%s%s: list, show, log, retry, hold, release, "
        "delete and bounce are there",
        word, nearest ? ", perhaps " : "", nearest ? nearest : "");
}

/* The first argument, unless that is an id already. */
static struct outcome find_action(const struct verb_options *options, struct request *request)
{
    const char *word = options->arguments.count ? options->arguments.items[0] : actions[0].name;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(word, actions[i].name) == 0) {
            request->action = &actions[i];
            request->selection.first_id = 1;
            return outcome_done();
        }
    request->action = &actions[0];
    request->selection.first_id = 0;
    return queue_is_id(word) ? outcome_done() : refuse_action(word);
}

static struct outcome make_request(const struct verb_options *options, struct request *request)
{
    struct outcome outcome = find_action(options, request);
    if (!outcome_good(&outcome))
        return outcome;
    outcome = verb_allow(options, request->action->allowed, request->action->name);
    if (!outcome_good(&outcome))
        return outcome;
    struct selection *selection = &request->selection;
    bool ids = options->arguments.count > selection->first_id;
    unsigned rest = options->given & (VERB_ALL | VERB_DOMAIN | VERB_SENDER);
    if (ids && rest)
        return outcome_refuse(EX_USAGE, "either ids of messages, or --domain, --sender or --all");
    if (rest & VERB_ALL && rest != VERB_ALL)
        return outcome_refuse(EX_USAGE, "--all means every message: no --domain or --sender");
    if (options->given & VERB_JSON && options->given & VERB_VERBOSE)
        return outcome_refuse(EX_USAGE, "either --json or --verbose");
    if (!ids && !rest && request->action->needs_choice)
        return outcome_refuse(EX_USAGE, "%s what? Name ids of messages%s", request->action->name,
                              request->action->allowed & VERB_ALL ? ", --domain, --sender or --all"
                                                                  : "");
    selection->ids = ids ? &options->arguments : NULL;
    selection->domains = &options->domains;
    selection->senders = &options->senders;
    return outcome;
}

struct outcome queue_verb(int argc, char *const argv[])
{
    struct verb_options options;
    struct office office = {0};
    struct request request = {.options = &options};
    struct outcome outcome = verb_parse(argc, argv, EVERYTHING, &options);
    if (outcome_good(&outcome))
        outcome = make_request(&options, &request);
    if (outcome_good(&outcome))
        outcome = office_open(options.config, &office);
    if (outcome_good(&outcome))
        outcome = request.action->run(&office, &request);
    office_close(&office);
    verb_free(&options);
    return outcome;
}

struct outcome trace_verb(int argc, char *const argv[])
{
    struct verb_options options;
    struct office office = {0};
    struct outcome outcome = verb_parse(argc, argv, VERB_ARGUMENTS | VERB_JSON, &options);
    if (outcome_good(&outcome) && options.arguments.count == 0)
        outcome = outcome_refuse(EX_USAGE, "trace what? Name ids of messages, or addresses");
    if (outcome_good(&outcome))
        outcome = office_open(options.config, &office);
    if (outcome_good(&outcome))
        outcome = story_run(&office, &options.arguments, 0, options.given & VERB_JSON);
    office_close(&office);
    verb_free(&options);
    return outcome;
}

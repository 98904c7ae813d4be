/* postrider dkim-key (see dkim_key.h): what it is about is done by postrider-run. */
#include "sendmail/dkim_key.h"

#include <stddef.h>
#include <sysexits.h>

#include "sendmail/handover.h"
#include "sendmail/office.h"
#include "sendmail/verb.h"

static struct outcome start(const struct office *office, const struct verb_options *options)
{
    const char *argv[12] = {"postrider-run", "dkim-key"};
    size_t count = 2;
    if (office->config) {
        argv[count++] = "-C";
        argv[count++] = office->config;
    }
    if (options->selector) {
        argv[count++] = "--selector";
        argv[count++] = options->selector;
    }
    if (options->type) {
        argv[count++] = "--type";
        argv[count++] = options->type;
    }
    if (options->given & VERB_FORCE)
        argv[count++] = "--force";
    if (options->given & VERB_SHOW)
        argv[count++] = "--show";
    argv[count++] = "--";
    argv[count++] = options->arguments.items[0];
    return hand_over(argv);
}

struct outcome dkim_key_verb(int argc, char *const argv[])
{
    struct verb_options options;
    struct office office = {0};
    struct outcome outcome = verb_parse(
        argc, argv, VERB_ARGUMENTS | VERB_SELECTOR | VERB_TYPE | VERB_FORCE | VERB_SHOW, &options);
    if (outcome_good(&outcome) && options.arguments.count != 1)
        outcome = outcome_refuse(EX_USAGE, "dkim-key needs the name of one domain");
    if (outcome_good(&outcome))
        outcome = office_open(options.config, &office);
    if (outcome_good(&outcome))
        outcome = start(&office, &options);
    office_close(&office);
    verb_free(&options);
    return outcome;
}

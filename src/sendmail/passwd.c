/* postrider passwd (see passwd.h): what it is about is done by postrider-listen, for no library
 * that knows secrets is linked here. */
#include "sendmail/passwd.h"

#include <stddef.h>
#include <sysexits.h>

#include "sendmail/handover.h"
#include "sendmail/office.h"
#include "sendmail/verb.h"

static struct outcome start(const struct office *office, const struct verb_options *options)
{
    const char *argv[10] = {"postrider-listen", "passwd"};
    size_t count = 2;
    if (office->config) {
        argv[count++] = "-C";
        argv[count++] = office->config;
    }
    if (options->file) {
        argv[count++] = "--file";
        argv[count++] = options->file;
    }
    if (options->given & VERB_DELETE)
        argv[count++] = "--delete";
    if (options->given & VERB_CHECK)
        argv[count++] = "--check";
    argv[count++] = "--";
    argv[count++] = options->arguments.items[0];
    return hand_over(argv);
}

struct outcome passwd_verb(int argc, char *const argv[])
{
    struct verb_options options;
    struct office office = {0};
    struct outcome outcome =
        verb_parse(argc, argv, VERB_ARGUMENTS | VERB_DELETE | VERB_CHECK | VERB_FILE, &options);
    if (outcome_good(&outcome) && options.arguments.count != 1)
        outcome = outcome_refuse(EX_USAGE, "passwd needs the name of one user");
    if (outcome_good(&outcome))
        outcome = office_open(options.config, &office);
    if (outcome_good(&outcome))
        outcome = start(&office, &options);
    office_close(&office);
    verb_free(&options);
    return outcome;
}

/* sendmail -q and postrider flush: asks for a run of the whole queue, and waits for it. */
#include "sendmail/flush.h"

#include <sysexits.h>

#include "queue/runner.h"

struct outcome flush_run(struct office *office, bool verbose)
{
    struct outcome outcome = office_open_queue(office);
    if (!outcome_good(&outcome))
        return outcome;
    if (verbose && !office_is_master(office))
        return outcome_refuse(EX_NOPERM, "only root may watch this queue being run: it holds other "
                                         "people's mail; without -v it is run all the same");
    const char *const arguments[] = {verbose ? "--verbose" : NULL, NULL};
    int status = runner_run(office->config, arguments, true);
    if (status == 0)
        return outcome;
    outcome = outcome_later("4.3.0", "the queue run ended with status %d", status);
    outcome.exit_status = status;
    return outcome;
}

/* See check_milter.h. Nothing is said to the milter, and nothing heard. */
#include "run/check_milter.h"

#include "filter/milter_link.h"
#include "run/confine.h"

enum { LIMIT_MS = 10000 };

static const char *consequence(enum milter_default what)
{
    return what == MILTER_ACCEPT   ? "mail is taken without it"
           : what == MILTER_REJECT ? "all mail is refused meanwhile"
                                   : "mail from outside waits meanwhile";
}

void check_milter(const void *context, struct findings *findings)
{
    const struct milter_question *question = context;
    const struct filtering *filter = &question->settings->filter;
    struct milter_link link = {.name = question->name, .limit = LIMIT_MS};
    struct outcome outcome = confine(NULL, NULL);
    if (outcome_good(&outcome))
        outcome = milter_link_open(&link);
    milter_link_close(&link);
    if (outcome_good(&outcome)) {
        finding_add(findings, FINDING_GOOD, "milter", "%s is there", question->name);
        return;
    }
    finding_add(findings, filter->milter_default == MILTER_ACCEPT ? FINDING_WARNING : FINDING_FAULT,
                "milter", "%s: %s; %s", question->name, outcome.reason,
                consequence(filter->milter_default));
    finding_remedy(findings, "start it, or take it out of milter in [filter]");
}

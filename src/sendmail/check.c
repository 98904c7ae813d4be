/*
 * Collects findings: first what needs the group that this program was given, then, without it, what
 * the caller may see, and what the programs say that link more libraries; and shows all of them in
 * one list.
 */
#include "sendmail/check.h"

#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/privilege.h"
#include "base/terminal.h"
#include "check/ask.h"
#include "check/clock.h"
#include "check/files.h"
#include "check/finding.h"
#include "check/names.h"
#include "check/programs.h"
#include "check/rights.h"
#include "check/schedule.h"
#include "check/smarthosts.h"
#include "check/spool.h"
#include "sendmail/check_mail.h"
#include "sendmail/check_print.h"
#include "sendmail/office.h"
#include "sendmail/verb.h"

/* ---- collecting ---- */

static bool has_fault(const struct findings *findings, const char *topic)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].mark == FINDING_FAULT &&
            strcmp(findings->items[i].topic, topic) == 0)
            return true;
    return false;
}

/* Never makes one: looking changes nothing. */
static bool open_queue(struct office *office, struct findings *findings)
{
    if (office->config) {
        struct outcome outcome =
            queue_open(office->settings.queue_directory, false, &office->queue);
        office->queue_open = true;
        return outcome_good(&outcome);
    }
    struct outcome outcome = office_open_queue(office);
    if (!outcome_good(&outcome) && !has_fault(findings, "queue"))
        finding_add(findings, FINDING_FAULT, "queue", "%s", outcome.reason);
    return outcome_good(&outcome);
}

/* With the group. account: NULL when there is none, or the settings are somebody's own. */
static void look_at_queue(struct office *office, const struct account *account, size_t *stranded,
                          struct findings *findings)
{
    struct newest newest = {0};
    newest_take(&newest, AT_FDCWD, "/proc/self/exe", "this program");
    newest_take(&newest, AT_FDCWD, office->settings.path, office->settings.path);
    if (account)
        check_spool(&office->settings, account, findings);
    else if (office->config)
        check_own_spool(&office->settings, findings);
    const bool opened = open_queue(office, findings);
    const struct queue *queue = opened ? &office->queue : NULL;
    if (opened)
        check_mail(office, stranded, &newest, findings);
    if (office->config)
        check_own_schedule(&office->settings, queue, findings);
    else
        check_schedule(queue, findings);
    check_listener(&office->settings, office->config != NULL, queue, findings);
    check_clock(clock_now(), &newest, findings);
    newest_free(&newest);
}

static void ask(const char *program, const struct office *office, bool online,
                struct findings *findings)
{
    const char *arguments[5] = {"check"};
    size_t count = 1;
    if (office->config) {
        arguments[count++] = "-C";
        arguments[count++] = office->config;
    }
    if (online)
        arguments[count++] = "--online";
    ask_program(program, arguments, findings);
}

static void say_who_sees_more(const struct office *office, struct findings *findings)
{
    if (office_is_master(office))
        return;
    finding_add(findings, FINDING_HINT, "rights",
                "passwords, keys and the mail of others are for root to look at");
    finding_remedy(findings, "sudo postrider check");
}

static struct outcome look(struct office *office, bool online, struct findings *findings)
{
    struct account found;
    const struct account *account = NULL;
    size_t stranded = 0;
    if (!office->config && account_find(&found, findings))
        account = &found;
    if (account || office->config)
        check_settings_file(&office->settings, account, findings);
    check_names(&office->settings, findings);
    if (!office->config)
        check_programs(account, findings);
    look_at_queue(office, account, &stranded, findings);
    struct outcome outcome = privilege_drop_group();
    if (!outcome_good(&outcome))
        return outcome;
    check_smarthosts(&office->settings, stranded, findings);
    if (account || office->config) {
        check_mailboxes(&office->settings, account, findings);
        check_log(&office->settings, account, findings);
    }
    if (account || office->config)
        ask("postrider-run", office, online, findings);
    if ((account || office->config) && office->settings.listener_count)
        ask("postrider-listen", office, online, findings);
    say_who_sees_more(office, findings);
    return outcome;
}

static struct outcome collect(const struct verb_options *options, struct findings *findings)
{
    struct office office = {0};
    struct outcome outcome = office_open(options->config, &office);
    if (outcome_good(&outcome)) {
        outcome = look(&office, options->given & VERB_ONLINE, findings);
    } else {
        finding_add(findings, FINDING_FAULT, "settings", "%s", outcome.reason);
        finding_remedy(findings, "mend that first: nothing else was looked at");
        outcome = outcome_done();
    }
    office_close(&office);
    return outcome;
}

/* ---- the verb ---- */

/* All has been said. */
static struct outcome conclude(enum finding_mark worst)
{
    if (worst < FINDING_WARNING)
        return outcome_done();
    return outcome_refuse(worst == FINDING_WARNING ? EX_TEMPFAIL : EX_CONFIG, "%s", "");
}

struct outcome check_verb(int argc, char *const argv[])
{
    struct verb_options options;
    struct findings findings = {0};
    const struct check_manners manners = check_manners();
    struct outcome outcome = verb_parse(argc, argv, VERB_ONLINE | VERB_JSON, &options);
    /* Half a minute, if nobody answers. */
    if (outcome_good(&outcome) && options.given & VERB_ONLINE && !(options.given & VERB_JSON))
        terminal_wait("Asking the network ...");
    if (outcome_good(&outcome))
        outcome = collect(&options, &findings);
    terminal_go_on();
    if (outcome_good(&outcome)) {
        terminal_end_with_reader();
        if (options.given & VERB_JSON)
            check_print_json(&findings);
        else
            check_print_people(&findings, &manners);
        outcome = conclude(finding_worst(&findings));
    }
    finding_free(&findings);
    verb_free(&options);
    return outcome;
}

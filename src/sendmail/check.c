/*
 * Collects findings: first what needs the group that this program was given, then, without it, what
 * the programs say that link more libraries; and shows all of them in one list.
 */
#include "sendmail/check.h"

#include <stdio.h>
#include <sysexits.h>

#include "base/buffer.h"
#include "base/privilege.h"
#include "check/ask.h"
#include "check/finding.h"
#include "base/json.h"
#include "sendmail/office.h"
#include "sendmail/verb.h"

/* ---- collecting ---- */

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

static struct outcome collect(const struct verb_options *options, struct findings *findings)
{
    struct office office = {0};
    struct outcome outcome = office_open(options->config, &office);
    if (!outcome_good(&outcome))
        finding_add(findings, FINDING_FAULT, "settings", "%s", outcome.reason);
    else
        finding_add(findings, FINDING_GOOD, "settings", "%s is understood",
                    *office.settings.path ? office.settings.path : "the default");
    bool understood = outcome_good(&outcome);
    outcome = privilege_drop_group();
    if (understood && outcome_good(&outcome))
        ask("postrider-run", &office, options->given & VERB_ONLINE, findings);
    office_close(&office);
    return outcome;
}

/* ---- showing ---- */

static void print_json(const struct findings *findings)
{
    struct buffer json = {0};
    buffer_append_byte(&json, '{');
    json_name(&json, "findings");
    buffer_append_byte(&json, '[');
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        json_next(&json);
        buffer_append_byte(&json, '{');
        json_text(&json, "mark", finding_mark_name(finding->mark));
        json_text(&json, "topic", finding->topic);
        json_text(&json, "text", finding->text);
        json_text(&json, "remedy", finding->remedy);
        buffer_append_byte(&json, '}');
    }
    buffer_append_byte(&json, ']');
    json_text(&json, "worst", finding_mark_name(finding_worst(findings)));
    buffer_append_byte(&json, '}');
    puts(buffer_text(&json));
    buffer_free(&json);
}

static void print_lines(const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        printf("%s: %s: %s%s%s\n", finding_mark_name(finding->mark), finding->topic, finding->text,
               finding->remedy ? "; " : "", finding->remedy ? finding->remedy : "");
    }
}

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
    struct outcome outcome = verb_parse(argc, argv, VERB_ONLINE | VERB_JSON, &options);
    if (outcome_good(&outcome))
        outcome = collect(&options, &findings);
    if (outcome_good(&outcome)) {
        if (options.given & VERB_JSON)
            print_json(&findings);
        else
            print_lines(&findings);
        outcome = conclude(finding_worst(&findings));
    }
    finding_free(&findings);
    verb_free(&options);
    return outcome;
}

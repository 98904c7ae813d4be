/*
 * A message handed to a command that an alias names, by the helper that may become the user for
 * that. The words of the command are parted here (config/command.h), and reach it as they are: no
 * shell sees them, nor anything of the message or its addresses. Runs apart from the coordinator,
 * as a command may take its time.
 */
#include "run/alias_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/command.h"
#include "mail/address.h"
#include "queue/journal.h"
#include "run/helper.h"

/* ---- what came of it ---- */

static const struct meaning {
    int status;
    enum result result;
    const char *enhanced; /* RFC 3463 */
    const char *words;
} meanings[] = {
    {EX_USAGE, NEVER, "5.3.0", "command line usage error"},
    {EX_DATAERR, NEVER, "5.6.0", "data format error"},
    {EX_NOINPUT, NEVER, "5.3.0", "cannot open input"},
    {EX_NOUSER, NEVER, "5.1.1", "user unknown"},
    {EX_NOHOST, NEVER, "5.1.2", "host name unknown"},
    {EX_UNAVAILABLE, NEVER, "5.3.0", "service unavailable"},
    {EX_SOFTWARE, NEVER, "5.3.0", "internal software error"},
    {EX_OSERR, LATER, "4.3.0", "system resource problem"},
    {EX_OSFILE, NEVER, "5.3.0", "critical system file missing"},
    {EX_CANTCREAT, LATER, "4.2.0", "cannot create output"},
    {EX_IOERR, LATER, "4.3.0", "input/output error"},
    {EX_TEMPFAIL, LATER, "4.3.0", "temporary failure"},
    {EX_PROTOCOL, NEVER, "5.5.0", "remote error in protocol"},
    {EX_NOPERM, NEVER, "5.7.0", "permission denied"},
    {EX_CONFIG, NEVER, "5.3.5", "local configuration error"},
};

static const struct meaning *find_meaning(int status)
{
    static const struct meaning other = {-1, NEVER, "5.3.0", NULL};
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (meanings[i].status == status)
            return &meanings[i];
    return &other;
}

struct outcome alias_command_outcome(const char *program, int status, const char *output,
                                     struct buffer *reason)
{
    if (status == EX_OK)
        return outcome_done();
    const struct meaning *meaning = find_meaning(status);
    buffer_format(reason, "the command %.200s ended with status %d", program, status);
    if (meaning->words)
        buffer_format(reason, " (%s)", meaning->words);
    if (*output)
        buffer_format(reason, ": %s", output);
    return meaning->result == LATER ? outcome_later(meaning->enhanced, "%s", buffer_text(reason))
                                    : outcome_never(meaning->enhanced, "%s", buffer_text(reason));
}

/* ---- running it ---- */

/* Words of the helper's own: something is wrong here, not with the message. */
static struct outcome refused(const struct run *run, const struct helper *helper)
{
    const char *words = buffer_text(&helper->words);
    if (helper->status != EX_CONFIG)
        return outcome_later("4.3.0", "%s", words);
    log_error("alias_commands in %s: %s", *run->settings.path ? run->settings.path : "[mail]",
              words);
    return outcome_later("4.3.5", "alias_commands: %s", words);
}

static struct outcome run_command(struct run *run, const struct letter *letter, size_t index,
                                  const struct texts *words, struct buffer *reason,
                                  struct buffer *output)
{
    char limit[24];
    snprintf(limit, sizeof limit, "%llu", (unsigned long long)run->settings.alias_time);
    const char **arguments = memory_get((words->count + 4) * sizeof *arguments);
    arguments[0] = "command";
    arguments[1] = run->settings.alias_commands;
    arguments[2] = limit;
    for (size_t i = 0; i < words->count; i++)
        arguments[3 + i] = words->items[i];
    struct helper helper = {.arguments = arguments, .apart = true};
    struct outcome outcome = helper_run(&helper, letter, index);
    if (outcome_good(&outcome) && helper.words.length)
        outcome = refused(run, &helper);
    else if (outcome_good(&outcome))
        outcome = alias_command_outcome(words->items[0], helper.status, buffer_text(&helper.output),
                                        reason);
    buffer_append(output, helper.output.data, helper.output.length);
    helper_free(&helper);
    free(arguments);
    return outcome;
}

/* The settings may have changed since the alias was followed. */
static struct outcome deliver(struct run *run, const struct letter *letter, size_t index,
                              struct buffer *reason, struct buffer *output)
{
    struct texts words = {0};
    const char *why;
    if (!*run->settings.alias_commands)
        return outcome_never("5.7.1", "delivery to a command is not allowed");
    if (!command_split(letter->recipients[index].text, &words, &why))
        return outcome_later("4.3.5", "the command of an alias: %s", why);
    struct outcome outcome = run_command(run, letter, index, &words, reason, output);
    texts_free(&words);
    return outcome;
}

static void note(struct letter *letter, size_t index, const struct outcome *outcome,
                 const char *reason, const char *output)
{
    static const enum progress progress[] = {
        [DONE] = PROGRESS_DELIVERED, [LATER] = PROGRESS_PENDING, [NEVER] = PROGRESS_FAILED};
    char *to = address_text(&letter->recipients[index].address);
    bool done = outcome_good(outcome);
    if (outcome->result != NEVER) /* report.c logs that */
        log_event(letter->id, done ? "delivered" : "deferred", "to", to, "command",
                  letter->recipients[index].text, "status", outcome->status, "reason",
                  done ? NULL : outcome->reason, "output", done && *output ? output : NULL, NULL);
    free(to);
    journal_mark(letter, index, progress[outcome->result], outcome->status,
                 done                       ? NULL
                 : outcome->result == NEVER ? reason
                                            : outcome->reason);
}

/* ---- messages ---- */

static bool waits(const struct letter *letter, size_t index)
{
    return letter->recipients[index].progress == PROGRESS_PENDING &&
           letter->recipients[index].kind == LETTER_TO_COMMAND;
}

/* What has run is on disk before anything else runs. */
static struct outcome run_all(struct run *run, struct letter *letter)
{
    struct outcome saved = outcome_done();
    for (size_t i = 0; i < letter->count && outcome_good(&saved); i++) {
        if (!waits(letter, i))
            continue;
        struct buffer reason = {0}, output = {0};
        struct outcome outcome = deliver(run, letter, i, &reason, &output);
        note(letter, i, &outcome, reason.length ? buffer_text(&reason) : outcome.reason,
             buffer_text(&output));
        buffer_free(&reason);
        buffer_free(&output);
        saved = journal_save(letter);
    }
    return saved;
}

int alias_command_work(struct run *run, const struct list *letters)
{
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < letters->count && outcome_good(&outcome); i++) {
        struct letter letter;
        struct outcome problem;
        if (run_is_over(run))
            break;
        if (letter_open(&run->queue, letters->entries[i].id, LETTER_WORK, false, &letter,
                        &problem) != LETTER_OPENED)
            continue;
        /* What cannot be noted would run again with each queue run. */
        problem = letter.held ? outcome_done() : journal_reserve(&letter);
        if (!outcome_good(&problem))
            log_event(letter.id, "deferred", "reason", problem.reason, NULL);
        else if (!letter.held)
            outcome = run_all(run, &letter);
        letter_close(&letter);
    }
    if (outcome_good(&outcome))
        return EX_OK;
    log_error("%s", outcome.reason);
    return EX_TEMPFAIL;
}

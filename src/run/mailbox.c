/*
 * Hands a message to the helper that may write mailboxes and files. The helper is told the size
 * before, so that it can tell a whole message from one whose sender was killed; and after a run
 * that was cut off its id and checksum, so that it looks whether the message is there.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/file.h"
#include "base/log.h"
#include "run/entry.h"
#include "run/helper.h"
#include "run/run.h"

/* A helper that could not say "never" properly said "later". */
static struct outcome outcome_of(const struct helper *helper)
{
    const char *words = buffer_text(&helper->words);
    if (helper->status == EX_OK)
        return outcome_done();
    if (!*words)
        return outcome_later("4.3.0", "the delivery program ended with status %d", helper->status);
    if (helper->status == EX_NOUSER)
        return outcome_never("5.1.1", "%s", words);
    if (helper->status == EX_CONFIG)
        return outcome_later("4.3.5", "%s", words);
    return outcome_later("4.2.0", "%s", words);
}

static struct outcome append(struct run *run, const struct letter *letter, size_t index,
                             const char *job, const char *user, const char *where)
{
    /* Whoever had the message before us may have died over it since the last look. */
    runner_see_deaths(&run->queue, &run->trace);
    struct outcome outcome = runner_leave_trace(&run->queue, &run->trace);
    if (!outcome_good(&outcome))
        return outcome;
    struct output counter = {.fd = -1, .counting = true};
    bool counted = entry_put(&counter, letter, index, true);
    int error = counter.error;
    char size[32], sum[16];
    snprintf(size, sizeof size, "%llu", (unsigned long long)counter.total);
    snprintf(sum, sizeof sum, "%08lx", (unsigned long)counter.checksum);
    output_free(&counter);
    if (!counted)
        return outcome_errno(error, "cannot read message %s", letter->id);
    const char *const arguments[] = {job, user, where, size, run->trace.careful ? letter->id : NULL,
                                     sum, NULL};
    struct helper helper = {.arguments = arguments, .is_entry = true};
    outcome = helper_run(&helper, letter, index);
    if (outcome_good(&outcome))
        outcome = outcome_of(&helper);
    /* Killed, or unable to cut off what it wrote: the mailbox may have the message. */
    if (helper.status >= 128 || helper.status == EX_IOERR)
        runner_keep_trace(&run->trace);
    helper_free(&helper);
    return outcome;
}

struct outcome mailbox_deliver(struct run *run, const struct letter *letter, size_t index,
                               const char *user)
{
    return append(run, letter, index, "deliver", user, run->settings.mailbox_directory);
}

struct outcome file_deliver(struct run *run, const struct letter *letter, size_t index)
{
    const char *path = letter->recipients[index].text, *user = run->settings.alias_files;
    if (strcmp(path, "/dev/null") == 0)
        return outcome_done();
    if (!*user)
        return outcome_never("5.7.1", "delivery into a file is not allowed");
    struct outcome outcome = append(run, letter, index, "file", user, path);
    if (!outcome_good(&outcome) && strcmp(outcome.status, "4.3.5") == 0)
        log_error("alias_files in %s: %s", *run->settings.path ? run->settings.path : "[mail]",
                  outcome.reason);
    return outcome;
}

/*
 * One message that is due: where do its recipients go? What stays on this machine is delivered
 * here and now; what leaves is put on the list of its next hop.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "mail/address.h"
#include "queue/journal.h"
#include "run/dialogue.h"
#include "run/loop.h"
#include "run/report.h"
#include "run/retry.h"
#include "run/run.h"

/* ---- mailboxes ---- */

static struct busy_mailbox *find_busy(const struct run *run, const char *place)
{
    for (size_t i = 0; i < run->busy_count; i++)
        if (strcmp(run->busy[i].place, place) == 0)
            return &run->busy[i];
    return NULL;
}

static void note_busy(struct run *run, const char *place)
{
    struct busy_mailbox *busy = find_busy(run, place);
    if (!busy) {
        run->busy = memory_resize(run->busy, (run->busy_count + 1) * sizeof *run->busy);
        busy = &run->busy[run->busy_count++];
        busy->place = memory_copy(place, strlen(place));
    }
    busy->since = clock_ms();
}

/* A run may last: what was found out is good for a step of the schedule. */
static bool is_busy(const struct run *run, const char *place)
{
    const struct busy_mailbox *busy = find_busy(run, place);
    return busy && clock_ms() - busy->since < (int64_t)retry_wait(run, NULL, 0) * 1000;
}

static enum progress progress_of(enum result result)
{
    return result == DONE    ? PROGRESS_DELIVERED
           : result == NEVER ? PROGRESS_FAILED
                             : PROGRESS_PENDING;
}

/* place: the mailbox or file that it was for; NULL: none. */
static void note(struct run *run, struct letter *letter, size_t index,
                 const struct outcome *outcome, const char *place)
{
    char *to = address_text(&letter->recipients[index].address);
    if (outcome->result != NEVER) /* report.c logs that */
        log_event(letter->id, outcome->result == DONE ? "delivered" : "deferred", "to", to,
                  place && *place == '/' ? "file" : "mailbox", place, "status", outcome->status,
                  "reason", outcome->result == DONE ? NULL : outcome->reason, NULL);
    if (run->verbose && outcome->result == DONE)
        dialogue_remark("delivered on this machine", to);
    else if (run->verbose)
        dialogue_remark(to, outcome->reason);
    free(to);
    run->unseen |= outcome->result == LATER;
    journal_mark(letter, index, progress_of(outcome->result), outcome->status,
                 outcome->result == DONE ? NULL : outcome->reason);
}

/* Into a mailbox, by its user's name, or into the file that the recipient is. */
static void fill(struct run *run, struct letter *letter, size_t index, const char *place)
{
    bool is_file = letter->recipients[index].kind == LETTER_TO_FILE;
    bool busy = is_busy(run, place);
    struct outcome outcome = busy ? outcome_later("4.2.0", "the %s %s was tried a short while ago",
                                                  is_file ? "file" : "mailbox of", place)
                             : is_file ? file_deliver(run, letter, index)
                                       : mailbox_deliver(run, letter, index, place);
    if (outcome.result == LATER && !busy)
        note_busy(run, place);
    note(run, letter, index, &outcome, place);
}

/* ---- aliases ---- */

static void log_route(const struct letter *letter, size_t index, const struct target *target)
{
    char *to = address_text(&letter->recipients[index].address);
    char *via = address_text(&target->address);
    char *owner = address_text(&target->owner);
    struct buffer text = {0};
    if (target->text)
        buffer_format(&text, "%s%s", target->kind == TARGET_COMMAND ? "|" : "", target->text);
    log_event(letter->id, "routed", "to", to, "alias-to", target->text ? buffer_text(&text) : via,
              "sender", *owner ? owner : NULL, NULL);
    buffer_free(&text);
    free(to);
    free(via);
    free(owner);
}

/* It only borrows from the target. Of a report nobody is told by another one: its path stays null.
 */
static struct letter_recipient make_child(const struct letter *letter, const struct target *target)
{
    static const enum letter_kind kinds[] = {[TARGET_MAILBOX] = LETTER_TO_MAILBOX,
                                             [TARGET_REMOTE] = LETTER_TO_REMOTE,
                                             [TARGET_ERROR] = LETTER_TO_REMOTE,
                                             [TARGET_FILE] = LETTER_TO_FILE,
                                             [TARGET_COMMAND] = LETTER_TO_COMMAND};
    struct letter_recipient child = {
        .kind = kinds[target->kind], .address = target->address, .text = target->text};
    if (!address_is_null(&letter->envelope.sender))
        child.sender = target->owner;
    return child;
}

/*
 * Children are on disk before the first of them is delivered to, so that a crash in between
 * cannot mail twice, whatever happens to the aliases meanwhile.
 */
static void journal_children(struct letter *letter, size_t index, const struct targets *targets)
{
    size_t first = letter->count;
    for (size_t i = 0; i < targets->count; i++) {
        const struct target *target = &targets->items[i];
        log_route(letter, index, target);
        size_t before = letter->count;
        const struct letter_recipient child = make_child(letter, target);
        journal_add_child(letter, index, &child);
        if (target->kind == TARGET_ERROR && letter->count > before)
            journal_mark(letter, before, PROGRESS_FAILED, target->outcome.status,
                         target->outcome.reason);
    }
    journal_expanded(letter, index, first);
}

/* One recipient and one mailbox: what is in the mailbox tells all that a child would. */
static void deliver_directly(struct run *run, struct letter *letter, size_t index,
                             const struct target *target)
{
    if (target->aliased)
        log_route(letter, index, target);
    fill(run, letter, index, target->address.local);
}

/* A target that cannot be told now holds the whole expansion up. */
static const struct target *find_unsettled(const struct targets *targets)
{
    for (size_t i = 0; i < targets->count; i++)
        if (targets->items[i].kind == TARGET_ERROR && targets->items[i].outcome.result == LATER)
            return &targets->items[i];
    return NULL;
}

static void expand_recipient(struct run *run, struct letter *letter, size_t index,
                             const struct loop_trace *trace)
{
    struct outcome outcome =
        loop_check_address(trace, &letter->recipients[index].address, run->settings.hostname);
    if (outcome_good(&outcome))
        outcome = run->aliases_problem;
    if (!outcome_good(&outcome)) {
        note(run, letter, index, &outcome, NULL);
        return;
    }
    struct targets targets = {0};
    expand(&run->expander, &letter->recipients[index].address, &targets);
    const struct target *unsettled = find_unsettled(&targets);
    const struct target *only = targets.count == 1 ? &targets.items[0] : NULL;
    if (unsettled)
        note(run, letter, index, &unsettled->outcome, NULL);
    else if (only && only->kind == TARGET_ERROR)
        note(run, letter, index, &only->outcome, NULL);
    else if (only && only->kind == TARGET_MAILBOX && address_is_null(&only->owner) &&
             letter->count == 1)
        deliver_directly(run, letter, index, only);
    else
        journal_children(letter, index, &targets);
    targets_free(&targets);
}

/* ---- next hops ---- */

static bool waits_already(const struct hop *hop, const char *id)
{
    return hop->waiting.count > 0 &&
           strcmp(hop->waiting.entries[hop->waiting.count - 1].id, id) == 0;
}

/* True when a worker is going to see the message. */
static bool queue_for_hops(struct run *run, const struct letter *letter)
{
    bool any = false;
    for (size_t i = 0; i < letter->count; i++) {
        if (letter->recipients[i].progress != PROGRESS_PENDING)
            continue;
        struct hop *hop = hops_find(run, letter, i);
        if (!hop || (hop->state.until > clock_now() && !run->insist))
            continue;
        if (!waits_already(hop, letter->id))
            list_add(&hop->waiting, letter->id);
        any = true;
    }
    return any;
}

/* ---- the visit ---- */

/* A mailbox may have the message now, and nothing on disk says so. */
static void report_unsaved(struct run *run, const char *id, const struct outcome *saved)
{
    if (outcome_good(saved))
        return;
    run->unseen = true;
    runner_keep_trace(&run->trace);
    log_event(id, "deferred", "reason", saved->reason, NULL);
}

/* Routes that need no next hop to be followed. */
static bool end_here(const struct run *run, struct letter *letter, size_t index,
                     const struct next_hop *next)
{
    struct outcome outcome = outcome_done();
    if (next->way == WAY_ERROR)
        outcome = outcome_never("5.7.1", "%s", next->route->argument);
    else if (next->way != WAY_DISCARD)
        return false;
    char *to = address_text(&letter->recipients[index].address);
    if (outcome_good(&outcome)) /* report.c logs the other */
        log_event(letter->id, "delivered", "to", to, "via", "discard", "status", outcome.status,
                  NULL);
    if (run->verbose && outcome_good(&outcome))
        dialogue_remark("discarded", to);
    else if (run->verbose)
        dialogue_remark(to, outcome.reason);
    free(to);
    journal_mark(letter, index, progress_of(outcome.result), outcome.status,
                 outcome_good(&outcome) ? "discarded, as its route says" : outcome.reason);
    return true;
}

/* A message that is through leaves no journal: its file just goes. */
static struct outcome save(struct letter *letter)
{
    return letter_is_finished(letter) ? outcome_done() : journal_save(letter);
}

/* What is not for a next hop. Expansions first: then every child is known and on disk. */
static bool deliver_here(struct run *run, struct letter *letter, const struct loop_trace *trace)
{
    bool attempted = false;
    size_t count = letter->count;
    for (size_t i = 0; i < count; i++) {
        struct next_hop next;
        if (letter->recipients[i].progress != PROGRESS_PENDING ||
            letter_ends_here(&letter->recipients[i]))
            continue;
        hops_way(run, letter, i, &next);
        if (next.way == WAY_LOCAL)
            expand_recipient(run, letter, i, trace);
        else if (!end_here(run, letter, i, &next))
            continue;
        attempted = true;
    }
    struct outcome saved = save(letter);
    for (size_t i = 0; outcome_good(&saved) && i < letter->count; i++) {
        struct letter_recipient *recipient = &letter->recipients[i];
        if (recipient->progress != PROGRESS_PENDING || !letter_ends_here(recipient) ||
            recipient->kind == LETTER_TO_COMMAND)
            continue;
        fill(run, letter, i,
             recipient->kind == LETTER_TO_FILE ? recipient->text : recipient->address.local);
        attempted = true;
    }
    report_unsaved(run, letter->id, &saved);
    return attempted;
}

static void fail_all(struct run *run, struct letter *letter, const struct outcome *outcome)
{
    for (size_t i = 0; i < letter->count; i++)
        if (letter->recipients[i].progress == PROGRESS_PENDING)
            note(run, letter, i, outcome, NULL);
}

/* Looks for a loop, then does what needs no next hop; whether that was an attempt. */
static bool deliver(struct run *run, struct letter *letter)
{
    struct loop_trace trace;
    struct outcome outcome = loop_read(letter, &trace);
    if (outcome_good(&outcome))
        outcome = loop_check_hosts(&trace, run->settings.max_hops);
    bool attempted = true;
    if (outcome_good(&outcome))
        attempted = deliver_here(run, letter, &trace);
    else
        fail_all(run, letter, &outcome);
    loop_free(&trace);
    return attempted;
}

/* One that came in to be held: the journal says so from its first visit on, until it is released.
 */
static bool must_hold(struct letter *letter)
{
    if (!letter->envelope.hold || letter->released)
        return false;
    journal_hold(letter);
    struct outcome saved = journal_save(letter);
    if (outcome_good(&saved))
        log_event(letter->id, "held", "reason", letter->envelope.hold, NULL);
    else
        log_event(letter->id, "deferred", "reason", saved.reason, NULL);
    return true;
}

enum letter_found visit(struct run *run, const char *id, enum letter_access access)
{
    struct letter letter;
    struct outcome problem;
    enum letter_found found = letter_open(&run->queue, id, access, true, &letter, &problem);
    if (found != LETTER_OPENED) {
        run->unseen |= found == LETTER_BUSY || found == LETTER_BROKEN;
        if (found == LETTER_BROKEN && problem.result == LATER)
            log_event(id, "deferred", "reason", problem.reason, NULL);
        return found;
    }
    if (letter.held || must_hold(&letter)) {
        run->unseen = true;
        settle(run, &letter, false);
        letter_close(&letter);
        return found;
    }
    /* Senders that a crash left untold come first, so that the report gets the same id again. */
    struct outcome told = report_all(run, &letter);
    if (!outcome_good(&told))
        log_event(id, "deferred", "reason", told.reason, NULL);
    bool attempted = deliver(run, &letter);
    struct outcome saved = save(&letter);
    report_unsaved(run, id, &saved);
    /* A worker would go by what may not last. */
    if (!outcome_good(&saved) || !queue_for_hops(run, &letter))
        settle(run, &letter, attempted);
    letter_close(&letter);
    return found;
}

/* The end of a round of delivery for one message: gone, given up, or due again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "mail/address.h"
#include "queue/journal.h"
#include "run/dialogue.h"
#include "run/report.h"
#include "run/retry.h"
#include "run/run.h"

/* What the recipients that are left wait for. */
struct wait {
    bool held;         /* all of them until someone releases them */
    time_t until;      /* of the next hops that are left alone, the latest; 0: none */
    uint64_t schedule; /* seconds: the shortest of their next steps */
};

static const char *note_wait(struct run *run, struct letter *letter, size_t index,
                             const struct next_hop *next, struct wait *wait, const char **status)
{
    if (next->way == WAY_HOLD) {
        *status = "4.7.0";
        return "held until someone releases it: see [route] in postrider.conf";
    }
    if (next->way == WAY_NONE) {
        *status = "4.3.5";
        return "no smarthost is configured: postrider setup does it, or [smarthost] in "
               "postrider.conf";
    }
    const struct hop *hop = hops_find(run, letter, index);
    if (!hop || hop->state.until <= clock_now())
        return NULL;
    if (hop->state.until > wait->until)
        wait->until = hop->state.until;
    *status = hop->state.status;
    return hop->state.reason;
}

/* Visits while a next hop is left alone, of which there may be many, have no news. */
static bool is_known(const struct letter_recipient *recipient, const struct next_hop *next,
                     const char *status, const char *reason)
{
    return next->peer && recipient->reason && strcmp(recipient->status, status) == 0 &&
           strcmp(recipient->reason, reason) == 0;
}

/* Recipients that no attempt was made for have the reason of that. */
static struct wait note_waits(struct run *run, struct letter *letter)
{
    struct wait wait = {.held = true, .schedule = UINT64_MAX};
    for (size_t i = 0; i < letter->count; i++) {
        struct letter_recipient *recipient = &letter->recipients[i];
        if (recipient->progress != PROGRESS_PENDING)
            continue;
        struct next_hop next;
        hops_way(run, letter, i, &next);
        uint64_t step = retry_wait(run, next.route, letter->tries);
        if (step < wait.schedule)
            wait.schedule = step;
        wait.held = wait.held && next.way == WAY_HOLD;
        const char *status;
        const char *reason = note_wait(run, letter, i, &next, &wait, &status);
        if (!reason || is_known(recipient, &next, status, reason))
            continue;
        char *to = address_text(&recipient->address);
        log_event(letter->id, next.way == WAY_HOLD ? "held" : "deferred", "to", to, "status",
                  status, "reason", reason, NULL);
        if (run->verbose)
            dialogue_remark(to, reason);
        free(to);
        journal_mark(letter, i, PROGRESS_PENDING, status, reason);
    }
    if (wait.schedule == UINT64_MAX) /* none is left, and a report could not be written */
        wait = (struct wait){.schedule = retry_wait(run, NULL, letter->tries)};
    return wait;
}

static void give_up(const struct run *run, struct letter *letter)
{
    for (size_t i = 0; i < letter->count; i++) {
        struct letter_recipient *recipient = &letter->recipients[i];
        if (recipient->progress != PROGRESS_PENDING || !retry_is_over(run, letter, i))
            continue;
        char age[32], reason[600];
        text_from_seconds(retry_lifetime(run, letter, i), age, sizeof age);
        snprintf(reason, sizeof reason, "not delivered within %s: %s", age,
                 recipient->reason ? recipient->reason : "never tried");
        journal_mark(letter, i, PROGRESS_FAILED, "4.4.7", reason);
    }
}

/* ---- delays ---- */

/* Whether the sender is to be told, now or later, that this recipient's mail waits. */
static bool may_warn(const struct run *run, const struct letter *letter, size_t index)
{
    const struct letter_recipient *recipient = &letter->recipients[index];
    struct next_hop next;
    if (recipient->progress != PROGRESS_PENDING || recipient->late ||
        !report_wants_delay(run, letter, index))
        return false;
    /* Held on purpose is not late. */
    hops_way(run, letter, index, &next);
    return next.way != WAY_HOLD;
}

static void mark_late(const struct run *run, struct letter *letter)
{
    time_t age = clock_now() - letter->envelope.arrived;
    if (!run->settings.warn || age < (time_t)run->settings.warn)
        return;
    for (size_t i = 0; i < letter->count; i++)
        if (may_warn(run, letter, i))
            journal_late(letter, i);
}

/* A long step of the schedule does not keep the sender from hearing in time. */
static time_t no_later_than_warning(const struct run *run, const struct letter *letter, time_t due)
{
    time_t warn = letter->envelope.arrived + (time_t)run->settings.warn;
    if (!run->settings.warn || warn >= due || warn <= clock_now())
        return due;
    for (size_t i = 0; i < letter->count; i++)
        if (may_warn(run, letter, i))
            return warn;
    return due;
}

/* ---- the end ---- */

/* When what is held is looked at again: not before it is released, unless its sender is owed a
 * report that could not be made. */
static time_t due_when_held(const struct run *run, const struct letter *letter, bool told)
{
    return told ? LETTER_HELD_UNTIL
                : clock_now() + (time_t)retry_jitter(retry_wait(run, NULL, letter->tries));
}

/* The time takes no room on a disk. Without what it goes by, it is set if that does no harm. */
static void set_due(struct run *run, struct letter *letter, time_t due, bool in_any_case)
{
    struct outcome saved = journal_save(letter), dated = outcome_done();
    if (!outcome_good(&saved))
        log_error("%s", saved.reason);
    if (outcome_good(&saved) || in_any_case)
        dated = journal_set_due(letter, due);
    if (!outcome_good(&dated))
        log_error("%s", dated.reason);
    if (outcome_good(&dated) && (outcome_good(&saved) || in_any_case))
        return;
    list_add(&run->undated, letter->id);
    run->undated.entries[run->undated.count - 1].due =
        clock_now() + (time_t)retry_wait(run, NULL, 0);
    run->unseen = true;
}

static void set_next_time(struct run *run, struct letter *letter, bool attempted, bool told,
                          const struct wait *wait)
{
    time_t due = clock_now() + (time_t)retry_jitter(wait->schedule);
    if (!attempted && wait->until)
        due = wait->until;
    due = no_later_than_warning(run, letter, due);
    if (wait->held) {
        journal_hold_by_route(letter);
        due = due_when_held(run, letter, told);
    } else if (attempted) {
        journal_tried(letter);
    }
    set_due(run, letter, due, !wait->held);
}

/* Held while it was on its way: what is left of it stays as it is. */
static void keep(struct run *run, struct letter *letter, bool told)
{
    set_due(run, letter, due_when_held(run, letter, told), true);
}

void settle(struct run *run, struct letter *letter, bool attempted)
{
    bool kept = letter->held;
    struct wait wait = {0};
    if (!kept) {
        wait = note_waits(run, letter);
        if (attempted)
            give_up(run, letter);
        mark_late(run, letter);
    }
    struct outcome outcome = report_all(run, letter);
    bool told = outcome_good(&outcome);
    if (told && letter_is_finished(letter)) {
        outcome = letter_remove(letter);
        if (outcome_good(&outcome))
            log_event(letter->id, "removed", NULL);
    }
    if (!outcome_good(&outcome))
        log_error("%s", outcome.reason);
    if (outcome_good(&outcome) && letter_is_finished(letter))
        return;
    if (kept)
        keep(run, letter, told);
    else
        set_next_time(run, letter, attempted, told, &wait);
}

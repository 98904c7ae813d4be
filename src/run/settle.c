/* The end of a round of delivery for one message: gone, given up, or due again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "mail/address.h"
#include "queue/journal.h"
#include "run/run.h"
#include "run/trace.h"

enum { LONGEST_HOP_PAUSE = 15 * 60 /* seconds: one connection tells for all that wait */ };

/* A route may have its own schedule. */
static uint64_t scheduled_wait(const struct run *run, const struct route *route, unsigned tries)
{
    bool own = route && route->retry_count;
    const uint64_t *retry = own ? route->retry : run->settings.retry;
    size_t last = (own ? route->retry_count : run->settings.retry_count) - 1;
    return retry[tries < last ? tries : last];
}

/* Up to a tenth more or less, so that what failed together does not come back together. */
static uint64_t with_jitter(uint64_t wait)
{
    uint32_t tenth = wait / 10 < 100000 ? (uint32_t)(wait / 10) : 100000;
    return wait - tenth + clock_random(2 * tenth + 1);
}

uint64_t settle_pause(const struct run *run, const struct hop *hop)
{
    uint64_t wait = scheduled_wait(run, hop->next.route, hop->state.failures);
    return with_jitter(wait < LONGEST_HOP_PAUSE ? wait : LONGEST_HOP_PAUSE);
}

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
        uint64_t step = scheduled_wait(run, next.route, letter->tries);
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
            trace_remark(to, reason);
        free(to);
        journal_mark(letter, i, PROGRESS_PENDING, status, reason);
    }
    if (wait.schedule == UINT64_MAX) /* none is left, and a report could not be written */
        wait = (struct wait){.schedule = scheduled_wait(run, NULL, letter->tries)};
    return wait;
}

/*
 * Too old, and tried as often as the schedule has steps: a clock that jumped ahead, or a machine
 * that was off for a week, gives nothing up at the first failure. What is held waits for people.
 */
static bool is_expired(const struct run *run, const struct letter *letter,
                       const struct next_hop *next, uint64_t lifetime)
{
    const struct route *route = next->route;
    size_t steps = route && route->retry_count ? route->retry_count : run->settings.retry_count;
    time_t age = clock_now() - letter->envelope.arrived;
    return next->way != WAY_HOLD && age >= (time_t)lifetime && letter->tries + 1 >= steps;
}

uint64_t settle_lifetime(const struct run *run, const struct letter *letter, size_t index)
{
    struct next_hop next;
    hops_way(run, letter, index, &next);
    return next.route && next.route->lifetime ? next.route->lifetime : run->settings.lifetime;
}

static void give_up(const struct run *run, struct letter *letter)
{
    for (size_t i = 0; i < letter->count; i++) {
        struct letter_recipient *recipient = &letter->recipients[i];
        if (recipient->progress != PROGRESS_PENDING)
            continue;
        struct next_hop next;
        hops_way(run, letter, i, &next);
        uint64_t lifetime = settle_lifetime(run, letter, i);
        if (!is_expired(run, letter, &next, lifetime))
            continue;
        char age[32], reason[600];
        text_from_seconds(lifetime, age, sizeof age);
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

static void set_next_time(const struct run *run, struct letter *letter, bool attempted,
                          const struct wait *wait)
{
    time_t due = clock_now() + (time_t)with_jitter(wait->schedule);
    if (!attempted && wait->until)
        due = wait->until;
    due = no_later_than_warning(run, letter, due);
    if (wait->held) {
        journal_hold_by_route(letter);
        due = LETTER_HELD_UNTIL;
    } else if (attempted) {
        journal_tried(letter);
    }
    struct outcome outcome = journal_save(letter);
    if (outcome_good(&outcome))
        outcome = journal_set_due(letter, due);
    if (!outcome_good(&outcome))
        log_error("%s", outcome.reason);
}

/* Held while it was on its way: what is left of it stays as it is. */
static void keep(struct letter *letter)
{
    struct outcome outcome = journal_save(letter);
    if (outcome_good(&outcome))
        outcome = journal_set_due(letter, LETTER_HELD_UNTIL);
    if (!outcome_good(&outcome))
        log_error("%s", outcome.reason);
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
    if (outcome_good(&outcome) && letter_is_finished(letter)) {
        outcome = letter_remove(letter);
        if (outcome_good(&outcome))
            log_event(letter->id, "removed", NULL);
    }
    if (!outcome_good(&outcome))
        log_error("%s", outcome.reason);
    if (outcome_good(&outcome) && letter_is_finished(letter))
        return;
    if (kept)
        keep(letter);
    else
        set_next_time(run, letter, attempted, &wait);
}

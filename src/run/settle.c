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

enum { LONGEST_HOP_PAUSE = 15 * 60 /* seconds: one connection tells for all that wait */ };

static uint64_t scheduled_wait(const struct run *run, unsigned tries)
{
    size_t last = run->settings.retry_count - 1;
    return run->settings.retry[tries < last ? tries : last];
}

/* Up to a tenth more or less, so that what failed together does not come back together. */
static uint64_t with_jitter(uint64_t wait)
{
    uint32_t tenth = wait / 10 < 100000 ? (uint32_t)(wait / 10) : 100000;
    return wait - tenth + clock_random(2 * tenth + 1);
}

uint64_t settle_pause(const struct run *run, unsigned failures)
{
    uint64_t wait = scheduled_wait(run, failures);
    return with_jitter(wait < LONGEST_HOP_PAUSE ? wait : LONGEST_HOP_PAUSE);
}

/* Recipients whose next hop is down, or is missing, have its reason. */
static void note_hops(struct run *run, struct letter *letter, time_t *paused_until)
{
    for (size_t i = 0; i < letter->count; i++) {
        struct letter_recipient *recipient = &letter->recipients[i];
        if (recipient->progress != PROGRESS_PENDING || recipient->kind == LETTER_TO_MAILBOX)
            continue;
        const struct hop *hop = visit_hop(run, letter, i);
        const char *status = "4.3.5";
        const char *reason = "no smarthost is configured: see [smarthost] in postrider.conf";
        if (hop) {
            status = hop->state.status;
            reason = hop->state.reason;
        } else if (domain_is_local(&run->expander, recipient->address.domain)) {
            continue;
        }
        if (hop && hop->state.until <= clock_now())
            continue;
        if (hop && hop->state.until > *paused_until)
            *paused_until = hop->state.until;
        char *to = address_text(&recipient->address);
        log_event(letter->id, "deferred", "to", to, "status", status, "reason", reason, NULL);
        free(to);
        journal_mark(letter, i, PROGRESS_PENDING, status, reason);
    }
}

/*
 * Too old, and tried as often as the schedule has steps: a clock that jumped ahead, or a machine
 * that was off for a week, gives nothing up at the first failure.
 */
static bool is_expired(const struct run *run, const struct letter *letter)
{
    time_t age = clock_now() - letter->envelope.arrived;
    return age >= (time_t)run->settings.lifetime && letter->tries + 1 >= run->settings.retry_count;
}

static void give_up(const struct run *run, struct letter *letter)
{
    char lifetime[32], reason[600];
    text_from_seconds(run->settings.lifetime, lifetime, sizeof lifetime);
    for (size_t i = 0; i < letter->count; i++) {
        struct letter_recipient *recipient = &letter->recipients[i];
        if (recipient->progress != PROGRESS_PENDING)
            continue;
        snprintf(reason, sizeof reason, "not delivered within %s: %s", lifetime,
                 recipient->reason ? recipient->reason : "never tried");
        journal_mark(letter, i, PROGRESS_FAILED, "4.4.7", reason);
    }
}

static void set_next_time(struct run *run, struct letter *letter, bool attempted,
                          time_t paused_until)
{
    time_t due = clock_now() + (time_t)with_jitter(scheduled_wait(run, letter->tries));
    if (!attempted && paused_until)
        due = paused_until;
    if (attempted)
        journal_tried(letter);
    struct outcome outcome = journal_save(letter);
    if (outcome_good(&outcome))
        outcome = journal_set_due(letter, due);
    if (!outcome_good(&outcome))
        log_error("%s", outcome.reason);
}

void settle(struct run *run, struct letter *letter, bool attempted)
{
    time_t paused_until = 0;
    note_hops(run, letter, &paused_until);
    if (attempted && is_expired(run, letter))
        give_up(run, letter);
    struct outcome outcome = bounce(run, letter);
    if (outcome_good(&outcome) && letter_is_finished(letter)) {
        outcome = letter_remove(letter);
        if (outcome_good(&outcome))
            log_event(letter->id, "removed", NULL);
    }
    if (!outcome_good(&outcome))
        log_error("%s", outcome.reason);
    if (!outcome_good(&outcome) || !letter_is_finished(letter))
        set_next_time(run, letter, attempted, paused_until);
}

/*
 * Which reports are due, to whom, and that each is made once. Its id is made from the message's
 * and the first recipient that it is about, and the journal fixes the others, so that a crash
 * between writing it and noting it makes no second one. Nothing is ever reported about a message
 * with the null reverse-path (RFC 5321 6.1): of its failure the postmaster hears, and if that fails
 * too, nobody.
 */
#include "run/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "queue/journal.h"

/* ---- who wants to know ---- */

/* MAILER-DAEMON of this machine is just another name for nobody. */
static bool is_nobody(const struct run *run, const struct address *sender)
{
    return address_is_null(sender) || (text_equal(sender->local, "mailer-daemon") &&
                                       route_is_local(&run->settings, sender->domain));
}

/* RFC 3461 4.1. Nothing said means failure, and delay as is the custom. */
static bool is_wanted(const struct run *run, const struct letter *letter, size_t index,
                      enum notify kind)
{
    unsigned notify = letter->recipients[index].notify;
    if (is_nobody(run, letter_sender(letter, index)))
        return kind == NOTIFY_FAILURE && !(notify & NOTIFY_NEVER);
    return notify == 0 ? kind != NOTIFY_SUCCESS : (notify & kind) != 0;
}

bool report_wants_delay(const struct run *run, const struct letter *letter, size_t index)
{
    return is_wanted(run, letter, index, NOTIFY_DELAY);
}

bool report_is_about(const struct report *report, size_t index)
{
    return letter_is_chosen(report->letter, index, report->kind) &&
           address_equal(letter_sender(report->letter, index), report->sender) &&
           is_wanted(report->run, report->letter, index, report->kind);
}

/* Of those that were chosen for this kind of report, whether the first with this sender. */
static bool is_first_of_sender(const struct letter *letter, enum notify kind, size_t index)
{
    if (!letter_is_chosen(letter, index, kind))
        return false;
    for (size_t i = 0; i < index; i++)
        if (letter_is_chosen(letter, i, kind) &&
            address_equal(letter_sender(letter, i), letter_sender(letter, index)))
            return false;
    return true;
}

static size_t count_recipients(const struct report *report)
{
    size_t count = 0;
    for (size_t i = 0; i < report->letter->count; i++)
        count += report_is_about(report, i);
    return count;
}

/* ---- the report ---- */

static char mark_of(enum notify kind)
{
    return kind == NOTIFY_FAILURE ? 'b' : kind == NOTIFY_DELAY ? 'd' : 's';
}

static struct address find_addressee(const struct report *report)
{
    if (!report->to_postmaster)
        return address_copy(report->sender);
    struct address postmaster = {.local = memory_copy("postmaster", strlen("postmaster"))};
    address_qualify(&postmaster, report->run->settings.hostname);
    return postmaster;
}

/* The id of the report has the message's in front: who looks for that finds this line, too. */
static void log_report(const struct report *report)
{
    char *to = address_text(&report->to);
    log_event(report->id, "received", "from", "<>", "to", to, "report",
              report->kind == NOTIFY_FAILURE ? "failure"
              : report->kind == NOTIFY_DELAY ? "delay"
                                             : "success",
              NULL);
    free(to);
}

/* What a postmaster is told of another's failure ends there: nobody hears if that fails. */
static struct outcome make(struct report *report, bool *existed)
{
    struct envelope envelope = {.arrived = clock_now(), .uid = getuid(), .submitted = true};
    report->to = find_addressee(report);
    envelope_add(&envelope, address_copy(&report->to), report->to_postmaster ? NOTIFY_NEVER : 0,
                 NULL);
    struct draft *draft = draft_open(&report->run->queue, &envelope, report->id, 0);
    envelope_free(&envelope);
    struct outcome outcome = report_write(report, draft);
    if (outcome_good(&outcome)) {
        outcome = draft_commit(draft, existed);
        if (outcome_good(&outcome) && !*existed)
            log_report(report);
    } else {
        draft_drop(draft);
    }
    address_free(&report->to);
    return outcome;
}

/* ---- what is due ---- */

static void log_failures(const struct report *report)
{
    const struct letter *letter = report->letter;
    for (size_t i = 0; i < letter->count; i++) {
        const struct letter_recipient *recipient = &letter->recipients[i];
        if (!letter_is_chosen(letter, i, NOTIFY_FAILURE) ||
            !address_equal(letter_sender(letter, i), report->sender))
            continue;
        char *to = address_text(&recipient->address);
        log_event(letter->id, "bounced", "to", to, "status", recipient->status, "reason",
                  recipient->reason, "report",
                  report_is_about(report, i)               ? report->id
                  : is_nobody(report->run, report->sender) ? "none: the sender is <>"
                                                           : "none: not asked for",
                  NULL);
        free(to);
    }
}

/* To one sender: the first recipient that it is about gives it its id. */
static struct outcome report_to(struct run *run, const struct letter *letter, enum notify kind,
                                size_t first)
{
    struct report report = {
        .run = run, .letter = letter, .kind = kind, .sender = letter_sender(letter, first)};
    report.to_postmaster = is_nobody(run, report.sender);
    struct outcome outcome = outcome_done();
    if (count_recipients(&report)) {
        queue_report_id(letter->id, mark_of(kind), first, report.id);
        bool existed = false;
        outcome = make(&report, &existed);
        if (outcome_good(&outcome)) {
            /* One that was there was seen; else a journal that takes no note makes a run endless.
             */
            run->again = run->again || !existed;
            if (run->insist) /* a run of the whole queue finds them there */
                list_add(&run->reports, report.id);
        }
    }
    if (outcome_good(&outcome) && kind == NOTIFY_FAILURE)
        log_failures(&report);
    return outcome;
}

/*
 * One kind: those whom it is about are on disk before it is, and so is the room for the line that
 * it was told: a report may be gone from the queue by the time that disk has room again.
 */
static struct outcome report_kind(struct run *run, struct letter *letter, enum notify kind)
{
    size_t first;
    if (!journal_choose(letter, kind, &first))
        return outcome_done();
    struct outcome outcome = journal_save(letter);
    if (outcome_good(&outcome))
        outcome = journal_reserve(letter);
    for (size_t i = first; i < letter->count && outcome_good(&outcome); i++)
        if (is_first_of_sender(letter, kind, i))
            outcome = report_to(run, letter, kind, i);
    if (!outcome_good(&outcome))
        return outcome;
    journal_told(letter, kind);
    return journal_save(letter);
}

struct outcome report_all(struct run *run, struct letter *letter)
{
    static const enum notify kinds[] = {NOTIFY_FAILURE, NOTIFY_DELAY, NOTIFY_SUCCESS};
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && outcome_good(&outcome); i++)
        outcome = report_kind(run, letter, kinds[i]);
    return outcome;
}

/*
 * Delivery status notifications (RFC 3464 in a multipart/report, RFC 6522): one message that tells
 * the sender of every recipient that failed for good. Its id is made from the message's and the
 * first of these recipients, so that a crash between writing it and noting it makes no second one.
 * Nothing is ever reported about a message with the null reverse-path (RFC 5321 6.1).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/envelope.h"
#include "queue/draft.h"
#include "queue/journal.h"
#include "run/run.h"

enum { RETURNED_BODY_LIMIT = 50000 /* bytes; larger messages come back as their header */ };

static bool has_failed(const struct letter *letter, size_t index)
{
    return letter->recipients[index].progress == PROGRESS_FAILED;
}

/* Whether the sender wants to know (RFC 3461 4.1). */
static bool is_wanted(const struct letter *letter, size_t index)
{
    unsigned notify = letter->recipients[index].notify;
    return !address_is_null(&letter->envelope.sender) && (notify == 0 || (notify & NOTIFY_FAILURE));
}

static const struct address *original_of(const struct letter *letter, size_t index)
{
    while (letter->recipients[index].parent >= 0)
        index = (size_t)letter->recipients[index].parent;
    return &letter->recipients[index].address;
}

/* A failure's status is of class 5, but for what only ran out of time. */
static const char *reason_of(const struct letter_recipient *recipient)
{
    return recipient->reason ? recipient->reason : "no reason is known";
}

/* ---- the text ---- */

/* A reply may hold any byte: what is not plain ASCII has no place in these fields. */
static void put_plain(struct buffer *text, const char *words)
{
    for (; *words; words++)
        buffer_append_byte(text, *words >= ' ' && *words < 127 ? *words : '?');
}

static void put_address(struct buffer *text, const struct address *address)
{
    char *plain = address_text(address);
    buffer_append_text(text, plain);
    free(plain);
}

static void put_head(struct buffer *text, const struct run *run, const struct letter *letter,
                     const char *id, const char *boundary)
{
    const char *hostname = run->settings.hostname;
    buffer_format(text, "From: Mail Delivery System <MAILER-DAEMON@%s>\nTo: ", hostname);
    put_address(text, &letter->envelope.sender);
    buffer_append_text(text, "\nSubject: Undelivered mail returned to sender\nDate: ");
    date_format(clock_now(), text);
    buffer_format(text, "\nMessage-ID: <%s@%s>\nAuto-Submitted: auto-replied\n", id, hostname);
    buffer_format(text,
                  "MIME-Version: 1.0\n"
                  "Content-Type: multipart/report; report-type=delivery-status;\n"
                  "\tboundary=\"%s\"\n\n",
                  boundary);
}

static void put_words(struct buffer *text, const struct run *run, const struct letter *letter,
                      const char *boundary)
{
    buffer_format(text,
                  "--%s\nContent-Type: text/plain; charset=utf-8\n"
                  "Content-Transfer-Encoding: 8bit\n\n",
                  boundary);
    buffer_format(text,
                  "This is the mail system of %s.\n\n"
                  "A message of yours could not be delivered to the recipients below,\n"
                  "and no further attempt will be made.\n\n",
                  run->settings.hostname);
    for (size_t i = 0; i < letter->count; i++) {
        if (!has_failed(letter, i) || !is_wanted(letter, i))
            continue;
        const struct letter_recipient *recipient = &letter->recipients[i];
        buffer_append_text(text, "<");
        put_address(text, original_of(letter, i));
        buffer_append_text(text, ">");
        if (recipient->parent >= 0) {
            buffer_append_text(text, " (an alias for ");
            put_address(text, &recipient->address);
            buffer_append_text(text, ")");
        }
        buffer_append_text(text, ":\n    ");
        put_plain(text, reason_of(recipient));
        buffer_append_text(text, "\n\n");
    }
}

static void put_field(struct buffer *text, const char *name, const char *type, const char *value)
{
    buffer_format(text, "%s: %s", name, type);
    put_plain(text, value);
    buffer_append_byte(text, '\n');
}

static void put_recipient(struct buffer *text, const struct letter *letter, size_t index)
{
    const struct letter_recipient *recipient = &letter->recipients[index];
    if (recipient->orcpt)
        put_field(text, "Original-Recipient", "", recipient->orcpt);
    bool wide = address_needs_smtputf8(&recipient->address);
    char *final = address_text(&recipient->address);
    if (wide) /* RFC 6533: the utf-8 type, and this part is a message/global-delivery-status then */
        buffer_format(text, "Final-Recipient: utf-8; %s\n", final);
    else
        put_field(text, "Final-Recipient", "rfc822; ", final);
    free(final);
    buffer_append_text(text, "Action: failed\n");
    put_field(text, "Status", "", recipient->status);
    put_field(text, "Diagnostic-Code",
              recipient->kind == LETTER_TO_MAILBOX ? "X-Postrider; " : "smtp; ",
              reason_of(recipient));
    if (recipient->when) {
        buffer_append_text(text, "Last-Attempt-Date: ");
        date_format(recipient->when, text);
        buffer_append_byte(text, '\n');
    }
    buffer_append_byte(text, '\n');
}

static bool is_wide(const struct letter *letter)
{
    for (size_t i = 0; i < letter->count; i++)
        if (has_failed(letter, i) && address_needs_smtputf8(&letter->recipients[i].address))
            return true;
    return false;
}

static void put_status(struct buffer *text, const struct run *run, const struct letter *letter,
                       const char *boundary)
{
    buffer_format(text, "--%s\nContent-Type: message/%s\n%s\n", boundary,
                  is_wide(letter) ? "global-delivery-status" : "delivery-status",
                  is_wide(letter) ? "Content-Transfer-Encoding: 8bit\n" : "");
    if (letter->envelope.envid)
        put_field(text, "Original-Envelope-Id", "", letter->envelope.envid);
    put_field(text, "Reporting-MTA", "dns; ", run->settings.hostname);
    buffer_append_text(text, "Arrival-Date: ");
    date_format(letter->envelope.arrived, text);
    buffer_append_text(text, "\n\n");
    for (size_t i = 0; i < letter->count; i++)
        if (has_failed(letter, i) && is_wanted(letter, i))
            put_recipient(text, letter, i);
}

/* The message itself, or its header when it is large or the sender asked for that. */
static struct outcome put_original(struct draft *draft, const struct letter *letter,
                                   const char *boundary)
{
    bool whole = letter->envelope.ret != RETURN_HEADERS && letter->size <= RETURNED_BODY_LIMIT &&
                 !letter->not_8bit;
    struct buffer head = {0};
    buffer_format(&head, "--%s\nContent-Type: %s\n%s\n", boundary,
                  whole ? "message/rfc822" : "text/rfc822-headers",
                  letter->eight_bit ? "Content-Transfer-Encoding: 8bit\n" : "");
    draft_put(draft, head.data, head.length);
    buffer_free(&head);

    char *block = memory_get(FILE_BLOCK);
    uint64_t left = letter->size;
    off_t at = letter->start;
    char last = '\n';
    bool ended = false;
    struct outcome outcome = outcome_done();
    while (left > 0 && !ended) {
        ssize_t count = file_read_at(letter->fd, block, FILE_BLOCK, at);
        if (count <= 0) {
            outcome = outcome_errno(count < 0 ? errno : EIO, "cannot read message %s", letter->id);
            break;
        }
        size_t use = (size_t)count;
        for (size_t i = 0; !whole && i < use; i++) {
            /* The empty line ends the header; a header that goes on for too long is cut. */
            if (block[i] == '\n' && last == '\n') {
                use = i;
                ended = true;
            }
            last = block[i];
        }
        draft_put(draft, block, use);
        at += count;
        left -= (uint64_t)count;
        ended = ended || (!whole && at - letter->start > RETURNED_BODY_LIMIT);
    }
    free(block);
    return outcome;
}

/* ---- the message ---- */

static size_t count_wanted(const struct letter *letter, size_t *first)
{
    size_t wanted = 0;
    for (size_t i = letter->count; i-- > 0;)
        if (has_failed(letter, i) && is_wanted(letter, i)) {
            *first = i;
            wanted++;
        }
    return wanted;
}

static struct outcome write_report(struct run *run, const struct letter *letter, const char *id)
{
    struct envelope envelope = {.arrived = clock_now(), .uid = getuid()};
    envelope_add(&envelope, address_copy(&letter->envelope.sender), NOTIFY_NEVER, NULL);
    struct draft *draft = draft_open(&run->queue, &envelope, id, 0);
    envelope_free(&envelope);

    char boundary[QUEUE_ID_SIZE + 16];
    snprintf(boundary, sizeof boundary, "report-%s", id);
    struct buffer text = {0};
    put_head(&text, run, letter, id, boundary);
    put_words(&text, run, letter, boundary);
    put_status(&text, run, letter, boundary);
    draft_put(draft, text.data, text.length);
    buffer_free(&text);
    struct outcome outcome = put_original(draft, letter, boundary);
    if (!outcome_good(&outcome)) {
        draft_drop(draft);
        return outcome;
    }
    buffer_format(&text, "\n--%s--\n", boundary);
    draft_put(draft, text.data, text.length);
    buffer_free(&text);
    bool existed;
    return draft_commit(draft, &existed);
}

static void mark_told(struct letter *letter, const char *report)
{
    for (size_t i = 0; i < letter->count; i++) {
        struct letter_recipient *recipient = &letter->recipients[i];
        if (recipient->progress != PROGRESS_FAILED)
            continue;
        char *to = address_text(&recipient->address);
        log_event(letter->id, "bounced", "to", to, "status", recipient->status, "reason",
                  recipient->reason, "report",
                  is_wanted(letter, i)                        ? report
                  : address_is_null(&letter->envelope.sender) ? "none: the sender is <>"
                                                              : "none: not asked for",
                  NULL);
        free(to);
        char status[sizeof recipient->status];
        memcpy(status, recipient->status, sizeof status);
        journal_mark(letter, i, PROGRESS_BOUNCED, status, NULL);
    }
}

struct outcome bounce(struct run *run, struct letter *letter)
{
    bool any = false;
    for (size_t i = 0; i < letter->count; i++)
        any = any || has_failed(letter, i);
    if (!any)
        return outcome_done();
    /* The failures are on disk before the report is, so that the report is made of the same ones
     * should it have to be made again. */
    struct outcome outcome = journal_save(letter);
    size_t first = 0;
    char id[QUEUE_ID_SIZE] = "";
    if (outcome_good(&outcome) && count_wanted(letter, &first)) {
        if (snprintf(id, sizeof id, "%sb%zu", letter->id, first) >= (int)sizeof id)
            queue_new_id(id);
        outcome = write_report(run, letter, id);
        run->again = true;
    }
    if (!outcome_good(&outcome))
        return outcome;
    mark_told(letter, id);
    return journal_save(letter);
}

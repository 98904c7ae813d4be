/*
 * The part of a report for programs: message/delivery-status (RFC 3464 2), or message/
 * global-delivery-status where an address is not ASCII (RFC 6533). Knows the fields; must never
 * know who gets the report.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "mail/date.h"
#include "net/reply.h"
#include "run/report.h"
#include "run/retry.h"

char *report_recipient(const struct report *report, size_t index)
{
    struct address address = address_copy(&report->letter->recipients[index].address);
    address_qualify(&address, report->run->settings.hostname);
    char *text = address_text(&address);
    address_free(&address);
    return text;
}

const char *report_status(const struct report *report, size_t index)
{
    const struct letter_recipient *recipient = &report->letter->recipients[index];
    char class = recipient->status[0];
    if (report->kind == NOTIFY_SUCCESS)
        return recipient->progress != PROGRESS_EXPANDED && class == '2' ? recipient->status
                                                                        : "2.0.0";
    if (report->kind == NOTIFY_DELAY)
        return class == '4' ? recipient->status : "4.4.7";
    return class == '5' || class == '4' ? recipient->status : "5.0.0";
}

time_t report_retry_until(const struct report *report, size_t index)
{
    return report->letter->envelope.arrived +
           (time_t)retry_lifetime(report->run, report->letter, index);
}

static const char *action_of(const struct report *report, size_t index)
{
    if (report->kind != NOTIFY_SUCCESS)
        return report->kind == NOTIFY_DELAY ? "delayed" : "failed";
    enum progress progress = report->letter->recipients[index].progress;
    return progress == PROGRESS_EXPANDED  ? "expanded"
           : progress == PROGRESS_RELAYED ? "relayed"
                                          : "delivered";
}

static bool is_wide(const struct report *report)
{
    for (size_t i = 0; i < report->letter->count; i++) {
        const struct letter_recipient *recipient = &report->letter->recipients[i];
        if (report_is_about(report, i) && (address_needs_smtputf8(&recipient->address) ||
                                           (recipient->orcpt && !text_is_ascii(recipient->orcpt))))
            return true;
    }
    return false;
}

static void put_ascii(struct buffer *text, const char *begin, const char *words)
{
    report_put_folded(text, begin, words, " ", false);
}

static void put_date(struct buffer *text, const char *name, time_t when)
{
    buffer_format(text, "%s: ", name);
    date_format(when, text);
    buffer_append_byte(text, '\n');
}

/* "rfc822; user@example.org" as it came (RFC 3461 4.2), its type in front. */
static void put_original_recipient(struct buffer *text, const char *orcpt, bool wide)
{
    const char *address = strchr(orcpt, ';');
    if (!address || address == orcpt || !address[1])
        return;
    struct buffer begin = {0};
    buffer_format(&begin, "Original-Recipient: %.*s; ", (int)(address - orcpt), orcpt);
    report_put_folded(text, buffer_text(&begin), address + 1, " ", wide);
    buffer_free(&begin);
}

/* A host that was named by its address is an address literal (RFC 5321 4.1.3); LMTP has a socket.
 */
static void put_remote_host(struct buffer *text, const char *host, size_t length)
{
    char name[256];
    unsigned char space[sizeof(struct in6_addr)];
    if (length >= sizeof name)
        return;
    snprintf(name, sizeof name, "%.*s", (int)length, host);
    char literal[sizeof name + 8];
    if (*name == '/') {
        put_ascii(text, "Remote-MTA: x-unix-socket; ", name);
        return;
    }
    if (inet_pton(AF_INET, name, space) == 1)
        snprintf(literal, sizeof literal, "[%s]", name);
    else if (inet_pton(AF_INET6, name, space) == 1)
        snprintf(literal, sizeof literal, "[IPv6:%s]", name);
    else
        snprintf(literal, sizeof literal, "%s", name);
    put_ascii(text, "Remote-MTA: dns; ", literal);
}

/* What a next hop said, word for word; else what this system says about it. */
static void put_diagnosis(const struct report *report, size_t index, struct buffer *text)
{
    const struct letter_recipient *recipient = &report->letter->recipients[index];
    const char *reason = recipient->reason, *host, *reply;
    size_t length;
    if (!reason || recipient->progress == PROGRESS_EXPANDED)
        return;
    if (reply_find(reason, &host, &length, &reply)) {
        put_remote_host(text, host, length);
        put_ascii(text, "Diagnostic-Code: smtp; ", reply);
    } else if (report->kind != NOTIFY_SUCCESS) {
        put_ascii(text, "Diagnostic-Code: x-postrider; ", reason);
    }
}

static void put_recipient(const struct report *report, size_t index, bool wide, struct buffer *text)
{
    const struct letter_recipient *recipient = &report->letter->recipients[index];
    buffer_append_byte(text, '\n');
    if (recipient->orcpt)
        put_original_recipient(text, recipient->orcpt, wide);
    char *final = report_recipient(report, index);
    bool utf8 = wide && !text_is_ascii(final);
    report_put_folded(text, utf8 ? "Final-Recipient: utf-8; " : "Final-Recipient: rfc822; ", final,
                      " ", utf8);
    free(final);
    buffer_format(text, "Action: %s\nStatus: %s\n", action_of(report, index),
                  report_status(report, index));
    put_diagnosis(report, index, text);
    if (recipient->when)
        put_date(text, "Last-Attempt-Date", recipient->when);
    if (report->kind == NOTIFY_DELAY)
        put_date(text, "Will-Retry-Until", report_retry_until(report, index));
}

void report_put_status(const struct report *report, struct buffer *text)
{
    const struct envelope *envelope = &report->letter->envelope;
    bool wide = is_wide(report);
    buffer_format(text, "Content-Description: Delivery report\nContent-Type: message/%s\n%s\n",
                  wide ? "global-delivery-status" : "delivery-status",
                  wide ? "Content-Transfer-Encoding: 8bit\n" : "");
    if (envelope->envid && report->sender == &envelope->sender) /* not of a list's new envelope */
        report_put_folded(text, "Original-Envelope-Id: ", envelope->envid, " ", wide);
    put_ascii(text, "Reporting-MTA: dns; ", report->run->settings.hostname);
    put_date(text, "Arrival-Date", envelope->arrived);
    for (size_t i = 0; i < report->letter->count; i++)
        if (report_is_about(report, i))
            put_recipient(report, i, wide, text);
}

/*
 * A report as a message: its header, the words for people, the parts in their order (RFC 6522), all
 * declared as what they are. Automatic by RFC 3834. Knows what reasons mean for somebody who wrote
 * a letter; must never know whether a report is due.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "mail/date.h"
#include "net/reply.h"
#include "run/report.h"

enum { BOUNDARY_SIZE = 64, LONGEST_WORD = 900 };

/* ---- lines ---- */

/* Control characters are no part of words, and a word that no line could hold is cut. */
static void put_word(struct buffer *text, const char *word, size_t length, bool utf8)
{
    for (size_t i = 0; i < length && i < LONGEST_WORD; i++) {
        unsigned char c = (unsigned char)word[i];
        buffer_append_byte(text, c < ' ' || c == 127 || (c > 127 && !utf8) ? '?' : word[i]);
    }
}

void report_put_folded(struct buffer *text, const char *begin, const char *words,
                       const char *indent, bool utf8)
{
    size_t column = strlen(begin);
    bool first = true;
    utf8 = utf8 && text_is_utf8(words, strlen(words));
    buffer_append_text(text, begin);
    while (*(words += strspn(words, " "))) {
        size_t length = strcspn(words, " ");
        if (!first && column + 1 + length > REPORT_WIDTH) {
            buffer_format(text, "\n%s", indent);
            column = strlen(indent);
        } else if (!first) {
            buffer_append_byte(text, ' ');
            column++;
        }
        put_word(text, words, length, utf8);
        column += length;
        words += length;
        first = false;
    }
    buffer_append_byte(text, '\n');
}

/* ---- the header ---- */

static const char *subject_of(const struct report *report)
{
    if (report->kind == NOTIFY_DELAY)
        return "Delayed mail: still being tried";
    if (report->kind == NOTIFY_SUCCESS)
        return "Mail has been delivered";
    return report->to_postmaster ? "Undeliverable mail without a sender: notice to the postmaster"
                                 : "Undelivered mail returned to sender";
}

static void put_head(const struct report *report, const char *boundary, bool eight_bit,
                     struct buffer *text)
{
    const char *hostname = report->run->settings.hostname;
    struct address to = address_copy(&report->to);
    address_qualify(&to, hostname);
    buffer_format(text, "From: Mail Delivery System <MAILER-DAEMON@%s>\nTo: ", hostname);
    address_format(&to, text);
    address_free(&to);
    buffer_format(text, "\nSubject: %s\nDate: ", subject_of(report));
    date_format(clock_now(), text);
    buffer_format(text, "\nMessage-ID: <%s@%s>\nAuto-Submitted: auto-replied\n", report->id,
                  hostname);
    buffer_format(text,
                  "MIME-Version: 1.0\n"
                  "Content-Type: multipart/report; report-type=delivery-status;\n"
                  "\tboundary=\"%s\"\n%s\n",
                  boundary, eight_bit ? "Content-Transfer-Encoding: 8bit\n" : "");
}

/* ---- the words ---- */

/* What a status means for the sender, and what he can do. The first that fits counts. */
static const struct {
    const char *status; /* the class apart */
    const char *words;
} advices[] = {
    {".1.1", "There is no such recipient. Look for a mistake in the address, and send the message "
             "again."},
    {".1.2", "The recipient's domain does not exist or takes no mail. Look for a mistake behind "
             "the @ of the address."},
    {".1.10", "The recipient's domain says that it takes no mail at all."},
    {".1.", "Something is wrong with one of the addresses. Look for a mistake in them, and send "
            "the message again."},
    {".2.1", "The recipient's mailbox is closed. Only he, or who runs his mail system, can change "
             "that."},
    {".2.2", "The recipient's mailbox is full. Send the message again later, or tell him by other "
             "means."},
    {".2.3", "The message is larger than the recipient's mailbox allows. Send less at a time."},
    {".3.4", "The message is too large for a mail system on its way. Send less at a time."},
    {".4.6", "The message went round in a circle: one address sends it on to another one that "
             "sends it back. Tell the postmaster of the recipient's domain, and do not send it "
             "again before that is mended."},
    {".4.7", "The time for it is over. You can send it again, but should ask first whether the "
             "recipient's mail system works."},
    {".6.7", "An address holds letters that a mail system on its way cannot handle. Ask the "
             "recipient for another address in plain letters."},
    {".6.", "The message has a form that a mail system on its way cannot handle. Send it in "
            "another one, as plain text for instance."},
    {".7.", "A mail system refuses it by its own rules. The words of its answer may say why; the "
            "postmaster there can say more."},
    {".", "The reason above may say what to do; if not, the postmaster of the recipient's domain "
          "may help."},
};

static const char *find_advice(const char *status)
{
    size_t i = 0;
    size_t last = sizeof advices / sizeof advices[0] - 1;
    for (; i < last; i++) {
        size_t length = strlen(advices[i].status);
        const char *rest = status + 1;
        bool open = advices[i].status[length - 1] == '.';
        if (open ? strncmp(rest, advices[i].status, length) == 0
                 : strcmp(rest, advices[i].status) == 0)
            break;
    }
    return advices[i].words;
}

static void put_opening(const struct report *report, struct buffer *text)
{
    struct buffer words = {0};
    buffer_format(&words, "This is the mail system of %s.", report->run->settings.hostname);
    report_put_folded(text, "", buffer_text(&words), "", false);
    buffer_free(&words);
    buffer_append_byte(text, '\n');
    const char *what =
        report->kind == NOTIFY_DELAY
            ? "Your message could not be delivered yet to the recipients below. You need not do "
              "anything: it will be tried again, and you will be told if it has to be given up."
        : report->kind == NOTIFY_SUCCESS
            ? "You asked to be told when your message has reached the recipients below."
        : report->to_postmaster
            ? "A message without a sender to whom it could be returned, such as a report like this "
              "one, could not be delivered to the recipients below. It is given up."
            : "Your message could not be delivered to the recipients below, and no further attempt "
              "will be made. Others that you sent it to are not concerned.";
    report_put_folded(text, "", what, "", false);
}

/* Who it was meant for, and to whom that led. An alias that leads to several keeps them to itself
 * where all is well. */
static void put_who(const struct report *report, size_t index, struct buffer *text)
{
    const struct letter *letter = report->letter;
    char *address = report_recipient(report, index);
    char *original = address_text(letter_original(letter, index));
    struct buffer words = {0};
    bool other = letter->recipients[index].parent >= 0 && strcmp(address, original) != 0;
    buffer_format(&words, "<%s>", letter->recipients[index].parent < 0 ? address : original);
    if (other)
        buffer_format(&words, ", which stands for <%s>", address);
    buffer_append_byte(&words, ':');
    buffer_append_byte(text, '\n');
    report_put_folded(text, "", buffer_text(&words), "", true);
    buffer_free(&words);
    free(address);
    free(original);
}

static void put_success(const struct report *report, size_t index, struct buffer *text)
{
    enum progress progress = report->letter->recipients[index].progress;
    const char *words =
        progress == PROGRESS_EXPANDED
            ? "It has been sent on to the addresses that this one stands for. You will hear no "
              "more of their successes, only of failures."
        : progress == PROGRESS_RELAYED
            ? "It has been handed to the next mail system, which does not report successes. You "
              "will only hear of a failure."
            : "It has been delivered.";
    report_put_folded(text, "    ", words, "    ", false);
}

static void put_reason(const struct report *report, size_t index, struct buffer *text)
{
    const struct letter_recipient *recipient = &report->letter->recipients[index];
    const char *reason = recipient->reason ? recipient->reason : "no reason is known";
    report_put_folded(text, "    ", reason, "    ", false);
    struct buffer words = {0};
    if (report->kind == NOTIFY_DELAY) {
        buffer_append_text(&words, "It will be tried until ");
        date_format(report_retry_until(report, index), &words);
        buffer_append_byte(&words, '.');
    } else {
        buffer_append_text(&words, find_advice(report_status(report, index)));
    }
    buffer_append_byte(text, '\n');
    report_put_folded(text, "    ", buffer_text(&words), "    ", false);
    buffer_free(&words);
}

static void put_words(const struct report *report, const struct original *original,
                      struct buffer *text)
{
    put_opening(report, text);
    for (size_t i = 0; i < report->letter->count; i++) {
        if (!report_is_about(report, i))
            continue;
        put_who(report, i, text);
        if (report->kind == NOTIFY_SUCCESS)
            put_success(report, i, text);
        else
            put_reason(report, i, text);
    }
    buffer_append_byte(text, '\n');
    const char *rest = original->form == ORIGINAL_HEADER
                           ? "Details for programs follow, and the header of your message."
                           : "Details for programs follow, and your message.";
    report_put_folded(text, "", rest, "", false);
}

/* ---- the whole ---- */

static void put_words_part(const struct buffer *words, struct buffer *text)
{
    bool ascii = text_is_ascii(buffer_text(words));
    buffer_format(text,
                  "Content-Description: Notification\nContent-Type: text/plain; charset=%s\n%s\n",
                  ascii ? "us-ascii" : "utf-8", ascii ? "" : "Content-Transfer-Encoding: 8bit\n");
    buffer_append(text, buffer_text(words), words->length);
}

struct outcome report_write(const struct report *report, struct draft *draft)
{
    struct original original;
    struct outcome outcome = report_choose_original(report, &original);
    if (outcome_good(&outcome)) {
        char boundary[BOUNDARY_SIZE];
        snprintf(boundary, sizeof boundary, "=_%s_%08x%08x", report->id, clock_random(UINT32_MAX),
                 clock_random(UINT32_MAX));
        struct buffer words = {0}, parts = {0}, text = {0};
        put_words(report, &original, &words);
        buffer_format(&parts, "--%s\n", boundary);
        put_words_part(&words, &parts);
        buffer_format(&parts, "\n--%s\n", boundary);
        report_put_status(report, &parts);
        buffer_format(&parts, "\n--%s\n", boundary);
        put_head(report, boundary, original.eight_bit || !text_is_ascii(buffer_text(&parts)),
                 &text);
        buffer_append(&text, parts.data, parts.length);
        draft_put(draft, text.data, text.length);
        outcome = report_put_original(report, &original, draft);
        buffer_clear(&text);
        buffer_format(&text, "\n--%s--\n", boundary);
        draft_put(draft, text.data, text.length);
        buffer_free(&words);
        buffer_free(&parts);
        buffer_free(&text);
    }
    report_free_original(&original);
    return outcome;
}

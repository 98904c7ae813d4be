/*
 * What senders are told: bounces, delays, successes (RFC 3464 in a multipart/report, RFC 6522).
 * report.c decides on it, report_text.c writes the message and its words for people,
 * report_status.c the fields for programs, report_original.c what is given back.
 */
#ifndef RUN_REPORT_H
#define RUN_REPORT_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "queue/draft.h"
#include "queue/letter.h"
#include "queue/queue.h"
#include "run/run.h"

enum { REPORT_WIDTH = 76 /* columns of what we write; one long word may have more */ };

struct report {
    const struct run *run;
    const struct letter *letter;
    const struct address *sender; /* it is about those that went on in this name */
    enum notify kind;
    char id[QUEUE_ID_SIZE];
    struct address to;
    bool to_postmaster; /* nobody else is to hear of it */
};

/* ---- report.c ---- */

/*
 * Tells the sender what he is to know by now (RFC 3461, 3464): failures, delays that are marked,
 * successes that he asked for; each once, and notes that. DONE when the reports are in the queue
 * or none is due.
 */
struct outcome report_all(struct run *run, struct letter *letter);
/* Whether the sender is to be told when this recipient is late. */
bool report_wants_delay(const struct run *run, const struct letter *letter, size_t index);
/* Whether the report is about this recipient. */
bool report_is_about(const struct report *report, size_t index);

/* ---- report_text.c ---- */

/* The message, put into the draft. LATER when the original cannot be read. */
struct outcome report_write(const struct report *report, struct draft *draft);
/*
 * Puts words behind the text: what begins a line and follows it, spaces made one, and folded with
 * the indent where a line gets too long. What is no printable ASCII becomes '?', or with utf8 stays
 * as far as it is UTF-8. The last line gets its end.
 */
void report_put_folded(struct buffer *text, const char *begin, const char *words,
                       const char *indent, bool utf8);

/* ---- report_status.c ---- */

/* The part for programs, with its header. */
void report_put_status(const struct report *report, struct buffer *text);
/* The recipient's address as a text, with a domain; the caller frees. */
char *report_recipient(const struct report *report, size_t index);
/* RFC 3463, of the class that the kind of report asks for. */
const char *report_status(const struct report *report, size_t index);
/* When it will be given up; for delays. */
time_t report_retry_until(const struct report *report, size_t index);

/* ---- report_original.c ---- */

/* How the original is given back. */
struct original {
    enum { ORIGINAL_WHOLE, ORIGINAL_CONVERTED, ORIGINAL_HEADER } form;
    struct buffer header; /* as text for ORIGINAL_HEADER */
    bool global;          /* its header is UTF-8 (RFC 6532) */
    bool eight_bit;
};

/* Looks at the message. LATER when it cannot be read. The caller frees. */
struct outcome report_choose_original(const struct report *report, struct original *original);
/* The part with its header, put into the draft. */
struct outcome report_put_original(const struct report *report, const struct original *original,
                                   struct draft *draft);
void report_free_original(struct original *original);

#endif

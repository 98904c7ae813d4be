/*
 * See milter_changes.h. Whatever the texts hold, no field ends before its time and none begins that
 * was not asked for: line ends within a value go on with white space (RFC 5322 2.2.3).
 */
#include "filter/milter_changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "filter/milter_packet.h"
#include "mail/address.h"
#include "mail/parameters.h"

enum {
    COUNT_MOST = 10000,
    BYTES_MOST = 1024 * 1024,
    HEAD = 5 /* bytes before the data in the list: how many, and the kind */
};

/* ---- what is asked for ---- */

/* An address with its parameters, as MAIL or RCPT could have it. The caller frees it. */
struct mailbox {
    struct mail_command mail;
    struct rcpt_command rcpt;
};

static void free_mailbox(struct mailbox *mailbox)
{
    address_free(&mailbox->mail.sender);
    free(mailbox->mail.envid);
    address_free(&mailbox->rcpt.recipient);
    free(mailbox->rcpt.orcpt);
    *mailbox = (struct mailbox){0};
}

static struct outcome read_mailbox(const struct settings *settings,
                                   const struct milter_change *change, struct mailbox *mailbox)
{
    bool sends = change->kind == MILTER_CHANGES_SENDER;
    struct address *address = sends ? &mailbox->mail.sender : &mailbox->rcpt.recipient;
    const char *why, *parameters = change->parameters ? change->parameters : "";
    *mailbox = (struct mailbox){0};
    if (strpbrk(change->name, "\r\n") || !address_parse(change->name, address, &why))
        return outcome_later("4.3.0", "it names an address that is none: %.200s", change->name);
    if (!sends && address_is_null(address))
        return outcome_later("4.3.0", "it names a recipient without an address");
    address_qualify(address, sends ? settings->domain : settings->hostname);
    struct outcome outcome =
        sends ? parameters_parse_mail(parameters, ALLOW_BARE | ALLOW_UTF8, &mailbox->mail)
              : parameters_parse_rcpt(parameters, ALLOW_BARE | ALLOW_UTF8, &mailbox->rcpt);
    if (outcome_good(&outcome))
        return outcome;
    return outcome_later("4.3.0", "it wants an address with parameters that are none: %s",
                         outcome.reason);
}

static bool has_address(char kind)
{
    return strchr("+-2e", kind) != NULL;
}

/* ---- the body ---- */

static void put_byte(struct milter_changes *changes, char byte)
{
    output_put(&changes->other.body, &byte, 1);
    changes->is_after_lf = byte == '\n';
}

/* Lines that end in CRLF, in pieces of any size, become lines that end in LF. */
static void put_body(struct milter_changes *changes, const char *data, size_t length)
{
    const char *end = data + length;
    while (data < end) {
        if (changes->is_after_cr) {
            changes->is_after_cr = false;
            if (*data != '\n')
                put_byte(changes, '\r');
        }
        const char *cr = memchr(data, '\r', (size_t)(end - data));
        size_t plain = (size_t)((cr ? cr : end) - data);
        if (plain) {
            output_put(&changes->other.body, data, plain);
            changes->is_after_lf = data[plain - 1] == '\n';
        }
        changes->is_after_cr = cr != NULL;
        data += plain + (cr != NULL);
    }
}

static struct outcome take_body(struct milter_changes *changes, const struct held *held,
                                const char *data, size_t length)
{
    if (!changes->has_body) {
        changes->other = (struct held){.room = held->room};
        held_open(&changes->other);
        changes->has_body = changes->is_after_lf = true;
    }
    put_body(changes, data, length);
    if (changes->other.body.total > changes->settings->max_message_size)
        return outcome_later("4.3.0", "its new body is larger than max_message_size");
    return outcome_done();
}

static struct outcome end_body(struct milter_changes *changes)
{
    if (changes->is_after_cr)
        put_byte(changes, '\r');
    if (!changes->is_after_lf)
        put_byte(changes, '\n');
    changes->is_after_cr = false;
    return held_flush(&changes->other);
}

/* ---- taking ---- */

struct outcome milter_changes_take(struct milter_changes *changes, const struct held *held,
                                   char kind, const char *data, size_t length)
{
    struct milter_change change;
    const char *why;
    if (kind == MILTER_REPLACES_BODY)
        return take_body(changes, held, data, length);
    if (!milter_parse_change(kind, data, length, &change, &why))
        return outcome_later("4.3.0", "%s", why);
    if (has_address(kind)) {
        struct mailbox mailbox;
        struct outcome outcome = read_mailbox(changes->settings, &change, &mailbox);
        free_mailbox(&mailbox);
        if (!outcome_good(&outcome))
            return outcome;
    }
    if (++changes->count > COUNT_MOST || changes->list.length + length > BYTES_MOST)
        return outcome_later("4.3.0", "it wants too much changed");
    milter_put_number(&changes->list, (uint32_t)length);
    buffer_append_byte(&changes->list, kind);
    buffer_append(&changes->list, data, length);
    return outcome_done();
}

/* ---- doing ---- */

/* How often what was done, for the log. */
struct tally {
    unsigned fields, added, deleted;
    char *sender;     /* the new one; NULL: it stayed */
    const char *hold; /* NULL: it has not been asked for */
};

/* The text behind the colon, one line end after the other looked at. */
static void make_body(const struct milter_changes *changes, const char *value, struct buffer *body)
{
    if (!changes->leading_space)
        buffer_append_byte(body, ' ');
    while (*value) {
        size_t length = strcspn(value, "\r\n");
        size_t blank = strspn(value, " \t");
        bool is_blank = blank >= length;
        /* A line with nothing on it is left out: some take it for the end of the header. */
        if (!is_blank && body->length && body->data[body->length - 1] == '\n' && blank == 0)
            buffer_append_byte(body, '\t');
        if (!is_blank)
            buffer_append(body, value, length);
        value += length;
        size_t ends = strspn(value, "\r\n");
        value += ends;
        if (ends && *value && !is_blank)
            buffer_append_byte(body, '\n');
    }
    while (body->length && body->data[body->length - 1] == '\n')
        body->data[--body->length] = '\0';
}

static void insert_field(const struct milter_changes *changes, const struct milter_change *change,
                         struct header *header, size_t at)
{
    struct buffer body = {0};
    make_body(changes, change->value, &body);
    header_insert(header, at, change->name, "");
    header_replace(header, at, buffer_text(&body));
    buffer_free(&body);
}

/* The n-th field of this name, from 1 on; count when there are not so many. */
static size_t find_field(const struct header *header, const char *name, uint32_t n)
{
    size_t at = header_find(header, name, 0);
    for (; n > 1 && at < header->count; n--)
        at = header_find(header, name, at + 1);
    return at;
}

static void change_field(const struct milter_changes *changes, const struct milter_change *change,
                         struct header *header)
{
    size_t at = find_field(header, change->name, change->index);
    if (at == header->count) {
        if (*change->value)
            insert_field(changes, change, header, at);
        return;
    }
    if (!*change->value) {
        header_remove(header, at);
        return;
    }
    struct buffer body = {0};
    make_body(changes, change->value, &body);
    header_replace(header, at, buffer_text(&body));
    buffer_free(&body);
}

static void change_sender(struct envelope *envelope, struct mail_command *mail, struct tally *tally)
{
    free(tally->sender);
    tally->sender = address_text(&mail->sender);
    address_free(&envelope->sender);
    envelope->sender = mail->sender;
    mail->sender = (struct address){0};
    if (mail->ret != RETURN_UNSAID)
        envelope->ret = mail->ret;
    if (mail->envid) {
        free(envelope->envid);
        envelope->envid = mail->envid;
        mail->envid = NULL;
    }
}

static void add_recipient(struct envelope *envelope, struct rcpt_command *rcpt, struct tally *tally)
{
    size_t before = envelope->count;
    envelope_add(envelope, rcpt->recipient, rcpt->notify, rcpt->orcpt);
    rcpt->recipient = (struct address){0};
    tally->added += envelope->count > before;
}

static void delete_recipient(struct envelope *envelope, const struct address *recipient,
                             struct tally *tally)
{
    for (size_t i = 0; i < envelope->count;) {
        const struct address *one = &envelope->recipients[i].address;
        /* A milter may have written it in another case. */
        bool same =
            text_equal(one->local, recipient->local) &&
            text_equal(one->domain ? one->domain : "", recipient->domain ? recipient->domain : "");
        if (same) {
            envelope_remove(envelope, i);
            tally->deleted++;
        } else {
            i++;
        }
    }
}

static void change_addresses(const struct milter_changes *changes,
                             const struct milter_change *change, struct envelope *envelope,
                             struct tally *tally)
{
    struct mailbox mailbox;
    struct outcome outcome = read_mailbox(changes->settings, change, &mailbox);
    if (!outcome_good(&outcome))
        impossible("an address that could be read before");
    if (change->kind == MILTER_CHANGES_SENDER)
        change_sender(envelope, &mailbox.mail, tally);
    else if (change->kind == MILTER_DELETES_RECIPIENT)
        delete_recipient(envelope, &mailbox.rcpt.recipient, tally);
    else
        add_recipient(envelope, &mailbox.rcpt, tally);
    free_mailbox(&mailbox);
}

static void quarantine(struct envelope *envelope, const char *reason, const char *milter,
                       struct tally *tally)
{
    struct buffer hold = {0};
    buffer_format(&hold, "%s: %.200s", milter, *reason ? reason : "no reason given");
    text_tame(hold.data, hold.length);
    if (!envelope->hold)
        envelope->hold = buffer_take(&hold);
    tally->hold = envelope->hold;
    buffer_free(&hold);
}

static void do_one(const struct milter_changes *changes, const struct milter_change *change,
                   struct held *held, const char *milter, struct tally *tally)
{
    struct header *header = held->header;
    size_t above = change->index ? change->index - 1 : 0;
    switch (change->kind) {
    case MILTER_ADDS_FIELD:
        insert_field(changes, change, header, header->count);
        break;
    case MILTER_INSERTS_FIELD:
        /* Counted with the Received field that will be on top, which no milter sees. */
        insert_field(changes, change, header, above < header->count ? above : header->count);
        break;
    case MILTER_CHANGES_FIELD:
        change_field(changes, change, header);
        break;
    case MILTER_QUARANTINES:
        quarantine(held->envelope, change->name, milter, tally);
        return;
    default:
        change_addresses(changes, change, held->envelope, tally);
        return;
    }
    tally->fields++;
}

static const char *count_text(unsigned count, char space[16])
{
    snprintf(space, 16, "%u", count);
    return count ? space : NULL;
}

static void log_changes(const struct milter_changes *changes, const struct held *held,
                        const char *milter, const struct tally *tally)
{
    char fields[16], added[16], deleted[16];
    if (!changes->count && !changes->has_body)
        return;
    log_event(held->id, "filtered", "milter", milter, "fields", count_text(tally->fields, fields),
              "body", changes->has_body ? "replaced" : NULL, "from",
              tally->sender && !*tally->sender ? "<>" : tally->sender, "added",
              count_text(tally->added, added), "deleted", count_text(tally->deleted, deleted),
              "hold", tally->hold, NULL);
}

struct outcome milter_changes_apply(struct milter_changes *changes, struct held *held,
                                    const char *milter)
{
    struct tally tally = {0};
    if (changes->has_body) {
        struct outcome outcome = end_body(changes);
        if (!outcome_good(&outcome))
            return outcome;
        struct output old = held->body;
        held->body = changes->other.body;
        changes->other.body = old;
    }
    for (size_t at = 0; at < changes->list.length;) {
        const char *head = changes->list.data + at;
        struct milter_change change;
        const char *why;
        size_t length = milter_number(head);
        if (!milter_parse_change(head[HEAD - 1], head + HEAD, length, &change, &why))
            impossible("a wish that could be read before");
        do_one(changes, &change, held, milter, &tally);
        at += HEAD + length;
    }
    log_changes(changes, held, milter, &tally);
    free(tally.sender);
    return outcome_done();
}

void milter_changes_free(struct milter_changes *changes)
{
    if (changes->has_body)
        held_close(&changes->other);
    changes->has_body = false;
    buffer_free(&changes->list);
}

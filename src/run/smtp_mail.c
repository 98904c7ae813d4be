/*
 * Messages and their recipients, and MAIL and RCPT as the server's offers allow. RFC 1870 (SIZE),
 * 6152 (8BITMIME), 6531 (SMTPUTF8), 3461 (DSN).
 */
#include "run/smtp_mail.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "mail/mime.h"
#include "run/smtp_body.h"

struct smtp_mail *smtp_mail_take(const struct smtp_source *source, bool wait)
{
    struct transaction *transaction = source->next(source->context, wait);
    if (!transaction)
        return NULL;
    struct smtp_mail *mail = memory_get(sizeof *mail);
    mail->transaction = transaction;
    mail->states = memory_get(transaction->count + 1);
    mail->waiting = transaction->count;
    return mail;
}

void smtp_mail_push(struct smtp_mail **list, struct smtp_mail *mail)
{
    while (*list)
        list = &(*list)->next;
    *list = mail;
}

void smtp_mail_put_first(struct smtp_mail **list, struct smtp_mail *mail)
{
    mail->next = *list;
    *list = mail;
}

struct smtp_mail *smtp_mail_pop(struct smtp_mail **list)
{
    struct smtp_mail *mail = *list;
    if (mail) {
        *list = mail->next;
        mail->next = NULL;
    }
    return mail;
}

void smtp_mail_settle(struct smtp_mail *mail, size_t index, const struct outcome *outcome)
{
    if (mail->states[index] == STATE_WAITING)
        mail->waiting--;
    mail->states[index] = STATE_SETTLED;
    mail->transaction->recipients[index].outcome = *outcome;
    mail->transaction->recipients[index].settled = true;
}

void smtp_mail_accept(struct smtp_mail *mail, size_t index)
{
    mail->waiting--;
    mail->states[index] = STATE_ACCEPTED;
}

void smtp_mail_withdraw(struct smtp_mail *mail)
{
    for (size_t i = 0; i < mail->transaction->count; i++)
        if (mail->states[i] == STATE_ACCEPTED) {
            mail->states[i] = STATE_WAITING;
            mail->waiting++;
        }
}

void smtp_mail_settle_all(struct smtp_mail *mail, enum smtp_state state,
                          const struct outcome *outcome)
{
    for (size_t i = 0; i < mail->transaction->count; i++)
        if (mail->states[i] == state)
            smtp_mail_settle(mail, i, outcome);
}

void smtp_mail_finish(struct smtp_mail *mail, const struct smtp_source *source)
{
    for (size_t i = 0; i < mail->transaction->count; i++)
        if (mail->states[i] != STATE_SETTLED)
            impossible("a recipient without an outcome");
    source->finish(source->context, mail->transaction);
    free(mail->states);
    buffer_free(&mail->signature);
    free(mail);
}

void smtp_mail_put_off(struct smtp_mail *mail, const struct smtp_source *source,
                       const struct outcome *outcome)
{
    if (outcome_good(outcome))
        impossible("mail that is put off without a reason");
    smtp_mail_settle_all(mail, STATE_ACCEPTED, outcome);
    smtp_mail_settle_all(mail, STATE_WAITING, outcome);
    smtp_mail_finish(mail, source);
}

/*
 * What this server is going to get is looked through once: for its size, for the signature, which
 * would not hold for another form, and for what cannot be converted, which must be known before
 * anything is said.
 */
static struct outcome look_through(struct smtp_mail *mail, const struct smtp_session *session)
{
    struct transaction *transaction = mail->transaction;
    buffer_clear(&mail->signature);
    if (!transaction->signer)
        return session->offer.size || mail->form != MIME_AS_IS
                   ? smtp_body_look(transaction, mail->form, NULL, NULL, &mail->size)
                   : outcome_done();
    struct signing *signing = signing_begin(transaction->signer);
    struct outcome outcome =
        smtp_body_look(transaction, mail->form, signing_put, signing, &mail->size);
    struct outcome end = signing_end(signing, &mail->signature, &transaction->signed_by);
    if (outcome_good(&outcome))
        outcome = end;
    if (transaction->signed_by) {
        struct buffer words = {0};
        buffer_format(&words, "DKIM: %s", transaction->signed_by);
        smtp_trace(session, '*', buffer_text(&words));
        buffer_free(&words);
    }
    struct smtp_encoder encoder = {.plain = true};
    struct buffer wire = {0};
    smtp_encode(&encoder, buffer_text(&mail->signature), mail->signature.length, &wire);
    mail->size += encoder.size;
    buffer_free(&wire);
    return outcome;
}

static enum mime_form form_for(const struct transaction *transaction,
                               const struct smtp_offer *offer)
{
    if (transaction->eight_bit && !offer->eight_bit)
        return MIME_7BIT;
    if (transaction->not_8bit)
        return offer->eight_bit ? MIME_8BIT : MIME_7BIT;
    return MIME_AS_IS;
}

static struct outcome choose_form(struct smtp_mail *mail, const struct smtp_session *session)
{
    const struct transaction *transaction = mail->transaction;
    const struct smtp_offer *offer = &session->offer;
    mail->form = form_for(transaction, offer);
    struct outcome outcome = look_through(mail, session);
    if (outcome_good(&outcome) && offer->most_bytes && mail->size > offer->most_bytes)
        outcome = outcome_never(
            "5.3.4", "the message has %" PRIu64 " bytes, %s takes %" PRIu64 " at the most",
            mail->size, session->host, offer->most_bytes);
    if (outcome_good(&outcome) && !offer->smtputf8 && address_needs_smtputf8(transaction->sender))
        outcome = outcome_never("5.6.7",
                                "%s does not offer SMTPUTF8, which the sender's address "
                                "needs",
                                session->host);
    return outcome;
}

static struct outcome check_recipient(const struct address *address,
                                      const struct smtp_session *session)
{
    if (address_is_null(address))
        return outcome_never("5.1.3", "the recipient's address is empty");
    if (!session->offer.smtputf8 && address_needs_smtputf8(address))
        return outcome_never("5.6.7", "%s does not offer SMTPUTF8, which the address needs",
                             session->host);
    return outcome_done();
}

void smtp_mail_prepare(struct smtp_mail *mail, const struct smtp_session *session)
{
    struct transaction *transaction = mail->transaction;
    struct outcome outcome = choose_form(mail, session);
    if (!outcome_good(&outcome))
        smtp_mail_settle_all(mail, STATE_WAITING, &outcome);
    for (size_t i = 0; i < transaction->count; i++) {
        if (mail->states[i] != STATE_WAITING)
            continue;
        outcome = check_recipient(transaction->recipients[i].address, session);
        if (!outcome_good(&outcome))
            smtp_mail_settle(mail, i, &outcome);
    }
    transaction->dsn_passed = session->offer.dsn;
}

static bool needs_smtputf8(const struct smtp_mail *mail)
{
    const struct transaction *transaction = mail->transaction;
    if (address_needs_smtputf8(transaction->sender))
        return true;
    for (size_t i = 0; i < transaction->count; i++)
        if (mail->states[i] != STATE_SETTLED &&
            address_needs_smtputf8(transaction->recipients[i].address))
            return true;
    return false;
}

void smtp_mail_put_from(const struct smtp_mail *mail, struct smtp_session *session)
{
    const struct transaction *transaction = mail->transaction;
    const struct smtp_offer *offer = &session->offer;
    struct buffer line = {0};
    buffer_append_text(&line, "MAIL FROM:<");
    address_format(transaction->sender, &line);
    buffer_append_byte(&line, '>');
    if (offer->size)
        buffer_format(&line, " SIZE=%" PRIu64, mail->size);
    if (transaction->eight_bit && mail->form != MIME_7BIT)
        buffer_append_text(&line, " BODY=8BITMIME");
    if (offer->smtputf8 && needs_smtputf8(mail))
        buffer_append_text(&line, " SMTPUTF8");
    if (offer->dsn && transaction->ret != RETURN_UNSAID)
        buffer_append_text(&line, transaction->ret == RETURN_FULL ? " RET=FULL" : " RET=HDRS");
    if (offer->dsn && transaction->envid && *transaction->envid) {
        buffer_append_text(&line, " ENVID=");
        xtext_format(transaction->envid, &line);
    }
    smtp_put(session, "%s", buffer_text(&line));
    buffer_free(&line);
    session->mails++;
}

/* "rfc822;user@example.org": the address type is an atom, the rest becomes xtext. */
static void put_orcpt(const char *orcpt, struct buffer *line)
{
    static const char atom[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t type = strspn(orcpt, atom);
    if (!type || orcpt[type] != ';' || !orcpt[type + 1])
        return;
    buffer_append_text(line, " ORCPT=");
    buffer_append(line, orcpt, type + 1);
    xtext_format(orcpt + type + 1, line);
}

void smtp_mail_put_to(const struct smtp_mail *mail, size_t index, struct smtp_session *session)
{
    const struct smtp_recipient *recipient = &mail->transaction->recipients[index];
    struct buffer line = {0};
    buffer_append_text(&line, "RCPT TO:<");
    address_format(recipient->address, &line);
    buffer_append_byte(&line, '>');
    if (session->offer.dsn && recipient->notify)
        buffer_format(&line, " NOTIFY=%s", notify_text(recipient->notify));
    if (session->offer.dsn && recipient->orcpt)
        put_orcpt(recipient->orcpt, &line);
    smtp_put(session, "%s", buffer_text(&line));
    buffer_free(&line);
}

/* See transaction.h. Who may send where is admission.c's matter. */
#include "listen/transaction.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "listen/command.h"
#include "mail/masquerade.h"

/* Left free for the rest of the machine, and for what the queue writes beside a message. */
static const uint64_t spare_bytes = 1024L * 1024;

static unsigned allowed(const struct session *session)
{
    return (session->visitor.trusted ? ALLOW_BARE : 0u) | (session->smtputf8 ? ALLOW_UTF8 : 0u);
}

/* ---- MAIL ---- */

/* Whether MAIL has its place now; else it has been refused. */
static bool may_begin(struct session *session)
{
    const struct listener *listener = session->listener;
    if (!session->helo)
        session_refuse(session, 503, "5.5.1", "say EHLO first");
    else if (session->has_sender)
        session_refuse(session, 503, "5.5.1", "a sender was named already");
    else if (listener->require_auth && !session_is_known(session))
        session_refuse(session, 530, "5.7.0", "sign in first");
    else
        return true;
    return false;
}

static bool has_room(const struct session *session, uint64_t size)
{
    struct statvfs disk;
    return fstatvfs(session->queue.spool, &disk) < 0 ||
           (uint64_t)disk.f_bavail * disk.f_frsize >= size + spare_bytes;
}

static void begin(struct session *session, struct mail_command *mail)
{
    struct envelope *envelope = &session->envelope;
    session->has_sender = true;
    queue_new_id(session->id);
    session->smtputf8 = mail->smtputf8;
    envelope->sender = mail->sender;
    envelope->envid = mail->envid;
    envelope->ret = mail->ret;
    envelope->arrived = clock_now();
    envelope->uid = session->uid;
    if (session->login)
        envelope->user = memory_copy(session->login, strlen(session->login));
    mail->sender = (struct address){0};
    mail->envid = NULL;
    struct outcome outcome =
        filter_sender(session->filter, session_filter_client(session), envelope);
    if (outcome_good(&outcome)) {
        session_reply(session, 250, "2.1.0", "sender taken");
        return;
    }
    session_refuse_filtered(session, NULL, 0, &outcome);
    session_reset(session);
}

/* Whether who signed in may name this sender; else MAIL has been refused. Gives it a domain if it
 * has none. */
static bool is_his_own(struct session *session, struct address *sender)
{
    if (!address_is_null(sender))
        address_qualify(sender, session->settings->domain);
    if (!session->listener->own_sender || !session->user)
        return true;
    struct outcome outcome = session->aliases_problem;
    if (outcome_good(&outcome))
        outcome = admission_check_sender(&session->visitor, sender);
    if (outcome_good(&outcome))
        return true;
    char *from = address_text(sender);
    log_event("-", "rejected", "client", session->client, "user", session->user, "from", from,
              "reason", outcome.reason, NULL);
    free(from);
    /* What an alias holds is not for those who may only sign in. */
    if (outcome.result == LATER)
        outcome = outcome_later("4.3.0", "whether you may send as that cannot be told now");
    session_refuse_by(session, outcome.result == LATER ? 451 : 553, &outcome);
    return false;
}

void verb_mail(struct session *session, char *argument)
{
    struct mail_command mail;
    if (!may_begin(session))
        return;
    struct outcome outcome = command_parse_mail(argument, allowed(session), &mail);
    if (!outcome_good(&outcome)) {
        session_refuse_by(session, command_code(&outcome), &outcome);
        return;
    }
    if (!is_his_own(session, &mail.sender)) {
        command_free_mail(&mail);
        return;
    }
    uint64_t most = session->settings->max_message_size;
    if (mail.size > most)
        session_refuse(session, 552, "5.3.4", "a message may have %llu bytes here",
                       (unsigned long long)most);
    else if (!has_room(session, mail.size))
        session_refuse(session, 452, "4.3.1", "there is no room on the disk; try again later");
    else
        begin(session, &mail);
    command_free_mail(&mail);
}

/* ---- RCPT ---- */

/* So many more are only told to come later, before that counts as abuse. */
enum { OVERSHOOT = 1000 };

/* RFC 5321 4.5.3.1.10: the client is to send it to this one in another transaction. */
static void refuse_more(struct session *session, const char *words)
{
    if (++session->refused > OVERSHOOT)
        session_refuse(session, 452, "4.5.3", "%s", words);
    else
        session_reply(session, 452, "4.5.3", "%s", words);
}

/* words: what the client gets to read of it. */
static void refuse_recipient(struct session *session, const struct address *recipient,
                             const struct outcome *outcome, const char *words)
{
    char *text = address_text(recipient);
    unsigned code = outcome->result == LATER ? 451 : 550;
    session_log_rejected(session, text, code, outcome->status, outcome->reason);
    session_refuse(session, code, outcome->status, "%s", words);
    free(text);
}

/* What is wrong with our tables, and who is a user here, is for our log and not for strangers. */
static const char *words_for_strangers(const struct outcome *outcome)
{
    if (outcome->result == LATER)
        return "addresses cannot be looked up now";
    return strcmp(outcome->status, "5.1.1") == 0 ? "there is no such address here"
                                                 : outcome->reason;
}

static bool is_admitted(struct session *session, const struct address *recipient)
{
    struct outcome outcome = session->aliases_problem;
    if (outcome_good(&outcome))
        outcome = admission_check_recipient(&session->visitor, recipient);
    if (!outcome_good(&outcome))
        refuse_recipient(session, recipient, &outcome, words_for_strangers(&outcome));
    return outcome_good(&outcome);
}

static bool passes_filter(struct session *session, const struct address *recipient)
{
    struct outcome outcome = filter_recipient(session->filter, session_filter_client(session),
                                              &session->envelope, recipient);
    if (outcome_good(&outcome))
        return true;
    char *text = address_text(recipient);
    session_refuse_filtered(session, text, filter_code(session->filter), &outcome);
    free(text);
    return false;
}

static void take_recipient(struct session *session, struct rcpt_command *rcpt)
{
    struct address *recipient = &rcpt->recipient;
    address_qualify(recipient, session->settings->hostname);
    if (!is_admitted(session, recipient))
        return;
    /* Held mail is let go by the message (ETRN): one partner's is not to take another's along. */
    if (!session->visitor.trusted &&
        admission_goes_apart(&session->visitor, &session->envelope, recipient)) {
        refuse_more(session, "not in one message with the others; send to it in another");
        return;
    }
    if (!passes_filter(session, recipient))
        return;
    envelope_add(&session->envelope, *recipient, rcpt->notify, rcpt->orcpt);
    *recipient = (struct address){0};
    session_reply(session, 250, "2.1.5", "recipient taken");
}

void verb_rcpt(struct session *session, char *argument)
{
    struct rcpt_command rcpt;
    if (!session->has_sender || session->chunking) {
        session_refuse(session, 503, "5.5.1",
                       session->chunking ? "the message has begun" : "say MAIL first");
        return;
    }
    struct outcome outcome = command_parse_rcpt(argument, allowed(session), &rcpt);
    if (!outcome_good(&outcome)) {
        session_refuse_by(session, command_code(&outcome), &outcome);
        return;
    }
    /* Lists have many that are no more, and some programs take a 421 for the next one's reply. */
    session->is_lenient = session->visitor.trusted;
    if (session->envelope.count >= session->listener->max_recipients)
        refuse_more(session, "too many recipients for one message; send to the rest in another");
    else
        take_recipient(session, &rcpt);
    session->is_lenient = false;
    command_free_rcpt(&rcpt);
}

void verb_rset(struct session *session, char *argument)
{
    (void)argument;
    session_reset(session);
    session_reply(session, 250, "2.0.0", "forgotten");
}

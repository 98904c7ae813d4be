/* See smtp_round.h. Replies are taken in the order of the steps, one for each. */
#include "run/smtp_round.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "run/smtp_body.h"

enum { STEP_RESET = 0, STEP_MAIL = 1, STEP_RCPT = 2 };
enum { CHUNK_MOST = 65536 /* bytes of a message that is sent before anybody was accepted */ };

static size_t smaller(size_t size, uint64_t limit)
{
    return limit && limit < size ? (size_t)limit : size;
}

static bool may_chunk(const struct smtp_mail *mail, const struct smtp_session *session)
{
    const bool *refuses = session->hop->no_chunks;
    return session->offer.chunking && session->offer.pipelining && session->offer.enhanced_codes &&
           session->gives_codes && refuses && !*refuses && !session->target->socket &&
           mail->transaction->size <= CHUNK_MOST;
}

void smtp_round_begin(struct smtp_round *round, struct smtp_mail *mail,
                      const struct smtp_session *session, bool reset)
{
    size_t most = smaller(mail->waiting, session->offer.most_recipients);
    most = smaller(most, session->most_recipients);
    *round = (struct smtp_round){.mail = mail,
                                 .chosen = memory_get((most + 1) * sizeof(size_t)),
                                 .chunked = may_chunk(mail, session)};
    for (size_t i = 0; i < mail->transaction->count && round->count < most; i++)
        if (mail->states[i] == STATE_WAITING)
            round->chosen[round->count++] = i;
    round->more = mail->waiting > round->count;
    round->sent = round->answered = reset ? STEP_RESET : STEP_MAIL;
}

void smtp_round_end(struct smtp_round *round)
{
    free(round->chosen);
    *round = (struct smtp_round){0};
}

static size_t last_step(const struct smtp_round *round)
{
    return STEP_RCPT + round->count;
}

/* All of the message, behind its BDAT. */
static void put_chunk(struct smtp_round *round, struct smtp_session *session)
{
    const struct smtp_mail *mail = round->mail;
    round->fault =
        smtp_body_put(session, mail->transaction, mail->form, buffer_text(&mail->signature));
}

/* Puts one more step; false when there is none, for now or at all. */
static bool put_step(struct smtp_round *round, struct smtp_session *session)
{
    size_t step = round->sent, data = last_step(round);
    if (round->refused || step > data)
        return false;
    /* With nobody to send to, DATA would be a mistake; unless it left before we could know. */
    if (step == data && round->answered == data && !round->accepted)
        return false;
    if (step == STEP_RESET)
        smtp_put(session, "RSET");
    else if (step == STEP_MAIL)
        smtp_mail_put_from(round->mail, session);
    else if (step == data && round->chunked)
        put_chunk(round, session);
    else if (step == data)
        smtp_put(session, "DATA");
    else
        smtp_mail_put_to(round->mail, round->chosen[step - STEP_RCPT], session);
    if (!outcome_good(&round->fault))
        return false;
    round->sent++;
    return true;
}

/* Half a window at least goes out in one write. */
void smtp_round_put(struct smtp_round *round, struct smtp_session *session)
{
    size_t window = session->offer.pipelining ? SMTP_WINDOW : 1;
    if (round->sent - round->answered > window / 2)
        return;
    while (round->sent - round->answered < window && put_step(round, session))
        ;
}

static bool is_good(const struct reply *reply)
{
    return reply->code / 100 == 2;
}

static void forgo_chunks(const struct smtp_session *session)
{
    if (session->hop->no_chunks)
        *session->hop->no_chunks = true;
}

/*
 * Whether a reply can be to no other command than the one in whose place it is, or to its like, as
 * far as codes tell. One that could be ends chunks for the hop, if it had promised codes. Refusals
 * are not looked at: they come from policies and filters, too, which have codes of any kind.
 */
static bool is_told_apart(const struct smtp_session *session, bool in_place_of_message)
{
    const struct reply *reply = &session->reply;
    bool is_about_address = strncmp(reply->status, "2.1.", 4) == 0;
    if (!is_good(reply) ||
        (in_place_of_message ? reply->status[0] && !is_about_address : is_about_address))
        return true;
    if (session->offer.enhanced_codes)
        forgo_chunks(session);
    return false;
}

/* A refusal of us, or of what came before, not of this sender, recipient or message. */
static bool is_about_session(const struct reply *reply)
{
    return reply->code == 503 || reply->code == 530 || reply->code == 534 || reply->code == 535 ||
           reply->code == 538;
}

static struct outcome refuse_session(struct smtp_session *session, const char *when)
{
    session->dead = true;
    return reply_later(&session->reply, session->host, when, NULL);
}

/* RFC 5321 4.5.3.1.10: 452, and 552 as older servers have it. An enhanced code that says something
 * else, such as a full mailbox, is believed. */
static bool is_too_many(const struct reply *reply)
{
    if (reply->code != 452 && reply->code != 552)
        return false;
    return !reply->status[0] || strcmp(reply->status + 1, ".5.3") == 0;
}

static struct outcome take_mail(struct smtp_round *round, struct smtp_session *session)
{
    if (is_good(&session->reply)) {
        session->open_mail = true;
        return outcome_done();
    }
    if (is_about_session(&session->reply))
        return refuse_session(session, "after MAIL");
    struct outcome outcome = smtp_verdict(session, "after MAIL");
    smtp_mail_settle_all(round->mail, STATE_WAITING, &outcome);
    round->refused = true;
    return outcome_done();
}

static struct outcome take_recipient(struct smtp_round *round, struct smtp_session *session,
                                     size_t position)
{
    const struct reply *reply = &session->reply;
    size_t index = round->chosen[position];
    if (round->refused)
        return outcome_done();
    if (is_good(reply)) {
        smtp_mail_accept(round->mail, index);
        round->accepted++;
        return outcome_done();
    }
    if (is_about_session(reply))
        return refuse_session(session, "after RCPT");
    if (is_too_many(reply) && round->accepted) {
        /* It waits for a next round, and so does who has not been named yet. */
        session->most_recipients = round->accepted;
        if (round->sent - STEP_RCPT < round->count)
            round->count = round->sent - STEP_RCPT;
        return outcome_done();
    }
    /* Even the first one may be too many for now. Where 552 says no more, it may be a full mailbox.
     */
    struct outcome outcome = is_too_many(reply) && reply->status[0]
                                 ? reply_later(reply, session->host, "after RCPT", NULL)
                                 : smtp_verdict(session, "after RCPT");
    smtp_mail_settle(round->mail, index, &outcome);
    return outcome_done();
}

static struct outcome take_data(struct smtp_round *round, struct smtp_session *session)
{
    int code = session->reply.code;
    if (code == 354) {
        round->go_ahead = true;
        return outcome_done();
    }
    if (code / 100 == 2)
        return smtp_misplaced(session, "after DATA");
    /* With nobody accepted it is right to refuse it. */
    if (!round->accepted)
        return outcome_done();
    if (is_about_session(&session->reply))
        return refuse_session(session, "after DATA");
    struct outcome outcome = smtp_verdict(session, "after DATA");
    smtp_mail_settle_all(round->mail, STATE_ACCEPTED, &outcome);
    return outcome_done();
}

/* The one reply to the message, by its dot or as a chunk. */
static struct outcome take_verdict(struct smtp_round *round, struct smtp_session *session)
{
    if (round->accepted && is_about_session(&session->reply))
        return refuse_session(session, "after the message");
    struct outcome outcome = smtp_verdict(session, "after the message");
    smtp_mail_settle_all(round->mail, STATE_ACCEPTED, &outcome);
    return outcome_done();
}

/* BDAT is. A verdict on the message has another enhanced code (RFC 3463 3.6). */
static bool is_unknown(const struct reply *reply)
{
    bool is_about_syntax = !reply->status[0] || strncmp(reply->status, "5.5.", 4) == 0;
    return (reply->code == 500 || reply->code == 502 || reply->code == 504) && is_about_syntax;
}

/*
 * A refused chunk leaves the transaction open, so that whatever comes next begins with RSET. Who
 * does not know BDAT takes the message's lines for commands, and what he says to them for the next
 * message's would be believed: nothing more of such a session counts, accepted or not.
 */
static struct outcome take_chunk(struct smtp_round *round, struct smtp_session *session)
{
    if (is_unknown(&session->reply)) {
        forgo_chunks(session);
        round->again = true;
        return refuse_session(session, "after BDAT, which it had offered");
    }
    if (is_good(&session->reply))
        session->open_mail = false;
    /* Many servers close after so many refusals, and then the fewer are under way the better. */
    session->earned = is_good(&session->reply) && round->accepted ? session->earned + 1 : 0;
    return take_verdict(round, session);
}

static struct outcome take_reply(struct smtp_round *round, struct smtp_session *session,
                                 size_t step, const char *when)
{
    size_t data = last_step(round);
    bool is_to_data = step == data && !round->chunked;
    if (session->reply.code / 100 == 3 && !(is_to_data && session->reply.code == 354))
        return smtp_misplaced(session, when);
    /* RSET has codes of any kind. */
    if (step != STEP_RESET && !is_to_data && !is_told_apart(session, step == data) &&
        round->chunked)
        return smtp_misplaced(session, when);
    if (step == STEP_MAIL)
        return take_mail(round, session);
    if (step == data)
        return round->chunked ? take_chunk(round, session) : take_data(round, session);
    if (step >= STEP_RCPT)
        return take_recipient(round, session, step - STEP_RCPT);
    /* Without RSET, MAIL would be refused for being nested: no fault of the message. */
    if (!is_good(&session->reply))
        return refuse_session(session, when);
    session->open_mail = false;
    return outcome_done();
}

static const char *step_name(const struct smtp_round *round, size_t step)
{
    if (step == STEP_RESET)
        return "after RSET";
    if (step == STEP_MAIL)
        return "after MAIL";
    if (step < last_step(round))
        return "after RCPT";
    return round->chunked ? "after the message" : "after DATA";
}

static enum smtp_limit step_limit(const struct smtp_round *round, size_t step)
{
    if (step < last_step(round))
        return LIMIT_COMMAND;
    return round->chunked ? LIMIT_FINAL : LIMIT_DATA;
}

struct outcome smtp_round_take(struct smtp_round *round, struct smtp_session *session)
{
    size_t step = round->answered;
    const char *when = step_name(round, step);
    struct outcome outcome = smtp_read(session, step_limit(round, step), when);
    if (outcome_good(&outcome))
        outcome = take_reply(round, session, step, when);
    if (outcome_good(&outcome))
        round->answered++;
    return outcome;
}

/* The one reply to the dot. */
static struct outcome take_end(struct smtp_round *round, struct smtp_session *session)
{
    struct outcome outcome = smtp_read(session, LIMIT_FINAL, "after the message");
    if (!outcome_good(&outcome))
        return outcome;
    if (session->reply.code / 100 == 3)
        return smtp_misplaced(session, "after the message");
    session->open_mail = false;
    if (is_told_apart(session, true) && is_good(&session->reply) && round->accepted)
        session->gives_codes = true;
    return take_verdict(round, session);
}

/* RFC 2033 4.2: a reply for each recipient that was accepted, in their order. */
static struct outcome take_ends(struct smtp_round *round, struct smtp_session *session)
{
    struct smtp_mail *mail = round->mail;
    for (size_t i = 0; i < round->count; i++) {
        if (mail->states[round->chosen[i]] != STATE_ACCEPTED)
            continue;
        struct outcome outcome = smtp_read(session, LIMIT_FINAL, "after the message");
        if (!outcome_good(&outcome))
            return outcome;
        if (session->reply.code / 100 == 3)
            return smtp_misplaced(session, "after the message");
        outcome = is_about_session(&session->reply)
                      ? reply_later(&session->reply, session->host, "after the message", NULL)
                      : smtp_verdict(session, "after the message");
        smtp_mail_settle(mail, round->chosen[i], &outcome);
    }
    session->open_mail = false;
    return outcome_done();
}

struct outcome smtp_round_take_end(struct smtp_round *round, struct smtp_session *session)
{
    return session->target->socket ? take_ends(round, session) : take_end(round, session);
}

bool smtp_round_is_whole(const struct smtp_round *round)
{
    return round->chunked && round->sent > last_step(round);
}

bool smtp_round_is_begun(const struct smtp_round *round, bool unread)
{
    return round->answered > STEP_MAIL || (!unread && smtp_round_is_whole(round));
}

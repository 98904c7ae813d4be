/*
 * A round is one transaction as the server sees it; a message with more recipients than the server
 * takes at once has several. Its steps are RSET (if a transaction is open), MAIL, each RCPT, DATA;
 * with PIPELINING as many are under way as the window holds, else one. The final dot leaves
 * together with the next round's first steps.
 */
#include "run/smtp_round.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "run/smtp_body.h"

enum { WINDOW = 400, STEP_RESET = 0, STEP_MAIL = 1, STEP_RCPT = 2 };

struct round {
    struct smtp_mail *mail; /* NULL: there is no such round */
    size_t *chosen;         /* recipients' indices */
    size_t count;           /* of them; fewer when the server says "too many" */
    size_t sent, answered;  /* the first step not yet put, not yet answered */
    size_t accepted;        /* recipients */
    bool refused;           /* MAIL was */
    bool go_ahead;          /* DATA got its 354 */
};

struct work {
    struct smtp_session *session;
    const struct smtp_source *source;
    struct round now, then;
    size_t *finished;
};

static size_t smaller(size_t size, uint64_t limit)
{
    return limit && limit < size ? (size_t)limit : size;
}

static void begin(struct round *round, struct smtp_mail *mail, const struct smtp_session *session,
                  bool reset)
{
    size_t most = smaller(mail->waiting, session->offer.most_recipients);
    most = smaller(most, session->most_recipients);
    *round = (struct round){.mail = mail, .chosen = memory_get((most + 1) * sizeof(size_t))};
    for (size_t i = 0; i < mail->transaction->count && round->count < most; i++)
        if (mail->states[i] == STATE_WAITING)
            round->chosen[round->count++] = i;
    round->sent = round->answered = reset ? STEP_RESET : STEP_MAIL;
}

static void end(struct round *round)
{
    free(round->chosen);
    *round = (struct round){0};
}

/* Puts one more step; false when there is none, for now or at all. */
static bool put_step(struct round *round, struct smtp_session *session)
{
    size_t step = round->sent, data = STEP_RCPT + round->count;
    if (round->refused || step > data)
        return false;
    /* With nobody to send to, DATA would be a mistake; unless it left before we could know. */
    if (step == data && round->answered == data && !round->accepted)
        return false;
    if (step == STEP_RESET)
        smtp_put(session, "RSET");
    else if (step == STEP_MAIL)
        smtp_mail_put_from(round->mail, session);
    else if (step == data)
        smtp_put(session, "DATA");
    else
        smtp_mail_put_to(round->mail, round->chosen[step - STEP_RCPT], session);
    round->sent++;
    return true;
}

/* Half a window at least goes out in one write. */
static void put_steps(struct round *round, struct smtp_session *session)
{
    size_t window = session->offer.pipelining ? WINDOW : 1;
    if (round->sent - round->answered > window / 2)
        return;
    while (round->sent - round->answered < window && put_step(round, session))
        ;
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

static struct outcome take_mail(struct round *round, struct smtp_session *session)
{
    if (session->reply.code / 100 == 2) {
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

static struct outcome take_recipient(struct round *round, struct smtp_session *session,
                                     size_t position)
{
    const struct reply *reply = &session->reply;
    size_t index = round->chosen[position];
    if (round->refused)
        return outcome_done();
    if (reply->code / 100 == 2) {
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
    struct outcome outcome = smtp_verdict(session, "after RCPT");
    smtp_mail_settle(round->mail, index, &outcome);
    return outcome_done();
}

static struct outcome take_data(struct round *round, struct smtp_session *session)
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

static struct outcome take_reply(struct round *round, struct smtp_session *session, size_t step,
                                 const char *when)
{
    size_t data = STEP_RCPT + round->count;
    if (session->reply.code / 100 == 3 && step != data)
        return smtp_misplaced(session, when);
    if (session->reply.code / 100 == 3 && session->reply.code != 354)
        return smtp_misplaced(session, when);
    if (step == STEP_MAIL)
        return take_mail(round, session);
    if (step == data)
        return take_data(round, session);
    if (step >= STEP_RCPT)
        return take_recipient(round, session, step - STEP_RCPT);
    /* Without RSET, MAIL would be refused for being nested: no fault of the message. */
    if (session->reply.code / 100 != 2)
        return refuse_session(session, when);
    session->open_mail = false;
    return outcome_done();
}

static const char *step_name(const struct round *round, size_t step)
{
    if (step == STEP_RESET)
        return "after RSET";
    if (step == STEP_MAIL)
        return "after MAIL";
    return step == STEP_RCPT + round->count ? "after DATA" : "after RCPT";
}

/* All steps and their replies. */
static struct outcome hold(struct round *round, struct smtp_session *session)
{
    for (;;) {
        struct outcome outcome = outcome_done();
        put_steps(round, session);
        if (session->out.length)
            outcome = smtp_flush(session, LIMIT_COMMAND);
        if (!outcome_good(&outcome) || round->answered == round->sent)
            return outcome;
        size_t step = round->answered;
        const char *when = step_name(round, step);
        bool data = step == STEP_RCPT + round->count;
        outcome = smtp_read(session, data ? LIMIT_DATA : LIMIT_COMMAND, when);
        if (outcome_good(&outcome))
            outcome = take_reply(round, session, step, when);
        if (!outcome_good(&outcome))
            return outcome;
        round->answered++;
    }
}

static bool is_exhausted(const struct smtp_session *session)
{
    return session->offer.most_mails && session->mails >= session->offer.most_mails;
}

/* The next message that has somebody to go to. */
static struct smtp_mail *fetch(struct work *work)
{
    struct smtp_mail *mail;
    while ((mail = smtp_mail_take(work->source))) {
        smtp_mail_prepare(mail, work->session);
        if (mail->waiting)
            return mail;
        smtp_mail_finish(mail, work->source);
        ++*work->finished;
    }
    return NULL;
}

static void trace_message(const struct work *work)
{
    char words[64];
    snprintf(words, sizeof words, "message of %" PRIu64 " bytes",
             work->now.mail->transaction->size);
    smtp_trace(work->session, '*', words);
}

/* The one reply to the dot. */
static struct outcome take_end(struct work *work)
{
    struct smtp_session *session = work->session;
    struct outcome outcome = smtp_read(session, LIMIT_FINAL, "after the message");
    if (!outcome_good(&outcome))
        return outcome;
    if (session->reply.code / 100 == 3)
        return smtp_misplaced(session, "after the message");
    session->open_mail = false;
    if (work->now.accepted && is_about_session(&session->reply))
        return refuse_session(session, "after the message");
    outcome = smtp_verdict(session, "after the message");
    smtp_mail_settle_all(work->now.mail, STATE_ACCEPTED, &outcome);
    return outcome_done();
}

/* RFC 2033 4.2: a reply for each recipient that was accepted, in their order. */
static struct outcome take_ends(struct work *work)
{
    struct smtp_session *session = work->session;
    struct smtp_mail *mail = work->now.mail;
    for (size_t i = 0; i < work->now.count; i++) {
        if (mail->states[work->now.chosen[i]] != STATE_ACCEPTED)
            continue;
        struct outcome outcome = smtp_read(session, LIMIT_FINAL, "after the message");
        if (!outcome_good(&outcome))
            return outcome;
        if (session->reply.code / 100 == 3)
            return smtp_misplaced(session, "after the message");
        outcome = is_about_session(&session->reply)
                      ? reply_later(&session->reply, session->host, "after the message", NULL)
                      : smtp_verdict(session, "after the message");
        smtp_mail_settle(mail, work->now.chosen[i], &outcome);
    }
    session->open_mail = false;
    return outcome_done();
}

/* The message, its dot, and along with that what comes next; then what is said to the dot. */
static struct outcome send_message(struct work *work)
{
    struct smtp_session *session = work->session;
    struct smtp_mail *mail = work->now.mail, *following = NULL;
    struct outcome outcome = outcome_done();
    bool each = session->target->socket;
    /* Nobody was accepted, and so nobody would be answered for. */
    if (each && !work->now.accepted)
        return smtp_misplaced(session, "after DATA");
    if (work->now.accepted) {
        trace_message(work);
        outcome = smtp_body_send(session, mail->transaction, mail->convert,
                                 buffer_text(&mail->signature));
    }
    if (!outcome_good(&outcome))
        return outcome;
    if (session->offer.pipelining && !is_exhausted(session))
        following = mail->waiting ? mail : fetch(work);
    smtp_put(session, ".");
    if (each)
        session->unsent += work->now.accepted - 1;
    if (following) {
        begin(&work->then, following, session, false);
        put_steps(&work->then, session);
    }
    outcome = smtp_flush(session, LIMIT_BLOCK);
    if (!outcome_good(&outcome))
        return outcome;
    return each ? take_ends(work) : take_end(work);
}

/* A message in a session that broke: kept for the next session when its MAIL had not been taken
 * and this session was good for something; else it is for later. */
static struct smtp_mail *salvage(struct work *work, struct round *round,
                                 const struct outcome *outcome)
{
    struct smtp_mail *mail = round->mail;
    bool begun = round->answered > STEP_MAIL;
    end(round);
    if (!mail)
        return NULL;
    if (!begun && work->session->rounds)
        return mail;
    smtp_mail_settle_all(mail, STATE_ACCEPTED, outcome);
    smtp_mail_settle_all(mail, STATE_WAITING, outcome);
    smtp_mail_finish(mail, work->source);
    return NULL;
}

static void abandon(struct work *work, struct smtp_mail **carried, const struct outcome *outcome)
{
    if (work->then.mail == work->now.mail)
        end(&work->then);
    struct smtp_mail *now = salvage(work, &work->now, outcome);
    struct smtp_mail *then = salvage(work, &work->then, outcome);
    /* There are two only when the first one's message was under way, which is never kept. */
    *carried = now ? now : then;
}

/* Goes on from round to round as long as each was begun along with the end of the one before. A
 * message that has recipients left comes out in *left. */
static struct outcome hold_rounds(struct work *work, struct smtp_mail **left)
{
    while (work->now.mail) {
        struct outcome outcome = hold(&work->now, work->session);
        if (outcome_good(&outcome) && work->now.go_ahead)
            outcome = send_message(work);
        if (!outcome_good(&outcome))
            return outcome;
        work->session->rounds++;
        struct smtp_mail *mail = work->now.mail;
        if (!mail->waiting) {
            smtp_mail_finish(mail, work->source);
            ++*work->finished;
        } else {
            work->source->progress(work->source->context, mail->transaction);
            if (mail != work->then.mail)
                *left = mail;
        }
        end(&work->now);
        work->now = work->then;
        work->then = (struct round){0};
    }
    return outcome_done();
}

static struct smtp_mail *resume(struct work *work, struct smtp_mail **carried)
{
    struct smtp_mail *mail = *carried;
    *carried = NULL;
    if (!mail)
        return fetch(work);
    smtp_mail_prepare(mail, work->session);
    if (mail->waiting)
        return mail;
    smtp_mail_finish(mail, work->source);
    ++*work->finished;
    return fetch(work);
}

struct outcome smtp_run(struct smtp_session *session, const struct smtp_source *source,
                        struct smtp_mail **carried, size_t *finished)
{
    struct work work = {.session = session, .source = source, .finished = finished};
    session->source = source;
    struct smtp_mail *mail = resume(&work, carried);
    while (mail) {
        if (is_exhausted(session)) {
            *carried = mail;
            break;
        }
        begin(&work.now, mail, session, session->open_mail);
        mail = NULL;
        struct outcome outcome = hold_rounds(&work, &mail);
        if (!outcome_good(&outcome)) {
            abandon(&work, carried, &outcome);
            return outcome;
        }
        if (!mail)
            mail = fetch(&work);
    }
    return outcome_done();
}

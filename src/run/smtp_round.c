/*
 * A round is one transaction as the server sees it; a message with more recipients than the server
 * takes at once has several. Its steps are RSET (if a transaction is open), MAIL, each RCPT, DATA;
 * with PIPELINING as many are under way as the window holds, else one. The final dot leaves
 * together with the next round's first steps.
 *
 * With CHUNKING as well (RFC 3030) a small message follows its recipients at once, as one BDAT, and
 * all of the next one behind it: two messages are on their way at a time, and none waits to be
 * asked for. If all recipients are refused its bytes were sent for nobody.
 *
 * Should a server say one reply too many, the 354 tells that what follows is not to the command it
 * seems to be; with BDAT only enhanced codes do (RFC 2034, RFC 3463 3.2: X.1.X is about addresses).
 * So a session begins with DATA, and has chunks once a message's replies came with such codes.
 */
#include "run/smtp_round.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "run/smtp_body.h"

enum { WINDOW = 400, STEP_RESET = 0, STEP_MAIL = 1, STEP_RCPT = 2 };
enum { CHUNK_MOST = 65536 /* bytes of a message that is sent before anybody was accepted */ };

struct round {
    struct smtp_mail *mail; /* NULL: there is no such round */
    size_t *chosen;         /* recipients' indices */
    size_t count;           /* of them; fewer when the server says "too many" */
    size_t sent, answered;  /* the first step not yet put, not yet answered */
    size_t accepted;        /* recipients */
    bool refused;           /* MAIL was */
    bool go_ahead;          /* DATA got its 354 */
    bool more;              /* the message has recipients for another round */
    bool chunked;           /* its last step is no DATA, but BDAT with the message */
    bool again;             /* the server does not know BDAT: nothing came of it */
    struct outcome fault;   /* zeroed it is none: why the message could not be put */
};

struct work {
    struct smtp_session *session;
    const struct smtp_source *source;
    struct round now, then;
    struct smtp_mail *left; /* has recipients that wait for a round of their own; NULL: none has */
    size_t *finished;
};

static size_t smaller(size_t size, uint64_t limit)
{
    return limit && limit < size ? (size_t)limit : size;
}

static bool may_chunk(const struct smtp_mail *mail, const struct smtp_session *session)
{
    const bool *refuses = session->hop->refuses_chunks;
    return session->offer.chunking && session->offer.pipelining && session->offer.enhanced_codes &&
           session->gives_codes && refuses && !*refuses && !session->target->socket &&
           mail->transaction->size <= CHUNK_MOST;
}

static void forgo_chunks(const struct smtp_session *session)
{
    if (session->hop->refuses_chunks)
        *session->hop->refuses_chunks = true;
}

static void begin(struct round *round, struct smtp_mail *mail, const struct smtp_session *session,
                  bool reset)
{
    size_t most = smaller(mail->waiting, session->offer.most_recipients);
    most = smaller(most, session->most_recipients);
    *round = (struct round){.mail = mail,
                            .chosen = memory_get((most + 1) * sizeof(size_t)),
                            .chunked = may_chunk(mail, session)};
    for (size_t i = 0; i < mail->transaction->count && round->count < most; i++)
        if (mail->states[i] == STATE_WAITING)
            round->chosen[round->count++] = i;
    round->more = mail->waiting > round->count;
    round->sent = round->answered = reset ? STEP_RESET : STEP_MAIL;
}

static void end(struct round *round)
{
    free(round->chosen);
    *round = (struct round){0};
}

static size_t last_step(const struct round *round)
{
    return STEP_RCPT + round->count;
}

static void trace_message(const struct round *round, const struct smtp_session *session)
{
    char words[64];
    snprintf(words, sizeof words, "message of %" PRIu64 " bytes", round->mail->transaction->size);
    smtp_trace(session, '*', words);
}

/* All of the message, behind its BDAT. */
static void put_chunk(struct round *round, struct smtp_session *session)
{
    const struct smtp_mail *mail = round->mail;
    round->fault =
        smtp_body_put(session, mail->transaction, mail->convert, buffer_text(&mail->signature));
    if (outcome_good(&round->fault))
        trace_message(round, session);
}

/* Puts one more step; false when there is none, for now or at all. */
static bool put_step(struct round *round, struct smtp_session *session)
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
    round->sent++;
    return outcome_good(&round->fault);
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

static bool is_good(const struct reply *reply)
{
    return reply->code / 100 == 2;
}

static struct outcome take_mail(struct round *round, struct smtp_session *session)
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

static struct outcome take_recipient(struct round *round, struct smtp_session *session,
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

/* The one reply to the message, by its dot or as a chunk. */
static struct outcome take_verdict(struct round *round, struct smtp_session *session)
{
    if (round->accepted && is_about_session(&session->reply))
        return refuse_session(session, "after the message");
    struct outcome outcome = smtp_verdict(session, "after the message");
    smtp_mail_settle_all(round->mail, STATE_ACCEPTED, &outcome);
    return outcome_done();
}

/* Refusals may lack it: they come from policies and filters, too. */
static bool lacks_code(const struct reply *reply)
{
    return is_good(reply) && !reply->status[0];
}

/* Whether a message seems to be taken with words that could be to its sender or a recipient. */
static bool is_doubtful(const struct reply *reply)
{
    return lacks_code(reply) || (is_good(reply) && strncmp(reply->status, "2.1.", 4) == 0);
}

/*
 * A refused chunk leaves the transaction open, so that whatever comes next begins with RSET. Who
 * does not know BDAT takes the message's lines for commands, and what he says to them for the next
 * message's would be believed: nothing more of such a session counts, accepted or not.
 */
static struct outcome take_chunk(struct round *round, struct smtp_session *session)
{
    int code = session->reply.code;
    if (code == 500 || code == 502 || code == 504) {
        forgo_chunks(session);
        round->again = true;
        return refuse_session(session, "after BDAT, which it had offered");
    }
    if (is_doubtful(&session->reply)) {
        forgo_chunks(session);
        return smtp_misplaced(session, "after the message");
    }
    if (is_good(&session->reply))
        session->open_mail = false;
    return take_verdict(round, session);
}

static struct outcome take_reply(struct round *round, struct smtp_session *session, size_t step,
                                 const char *when)
{
    size_t data = last_step(round);
    if (session->reply.code / 100 == 3 && (step != data || round->chunked))
        return smtp_misplaced(session, when);
    if (session->reply.code / 100 == 3 && session->reply.code != 354)
        return smtp_misplaced(session, when);
    if (step != STEP_RESET && step != data && lacks_code(&session->reply)) {
        forgo_chunks(session);
        if (round->chunked)
            return smtp_misplaced(session, when);
    }
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

static const char *step_name(const struct round *round, size_t step)
{
    if (step == STEP_RESET)
        return "after RSET";
    if (step == STEP_MAIL)
        return "after MAIL";
    if (step < last_step(round))
        return "after RCPT";
    return round->chunked ? "after the message" : "after DATA";
}

static enum smtp_limit step_limit(const struct round *round, size_t step)
{
    if (step < last_step(round))
        return LIMIT_COMMAND;
    return round->chunked ? LIMIT_FINAL : LIMIT_DATA;
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

/* Behind a message that was put whole comes the next one. */
static void put_following(struct work *work)
{
    struct smtp_session *session = work->session;
    const struct round *now = &work->now;
    bool whole = now->chunked && now->sent > last_step(now);
    if (!whole || work->then.mail || work->left || now->more || is_exhausted(session))
        return;
    struct smtp_mail *following = fetch(work);
    if (!following)
        return;
    begin(&work->then, following, session, true);
    put_steps(&work->then, session);
}

/* All steps and their replies. */
static struct outcome hold(struct work *work)
{
    struct smtp_session *session = work->session;
    struct round *round = &work->now;
    for (;;) {
        struct outcome outcome;
        put_steps(round, session);
        put_following(work);
        outcome = !outcome_good(&round->fault)       ? round->fault
                  : !outcome_good(&work->then.fault) ? work->then.fault
                  : session->out.length              ? smtp_flush(session, LIMIT_COMMAND)
                                                     : outcome_done();
        if (!outcome_good(&outcome) || round->answered == round->sent)
            return outcome;
        size_t step = round->answered;
        const char *when = step_name(round, step);
        outcome = smtp_read(session, step_limit(round, step), when);
        if (outcome_good(&outcome))
            outcome = take_reply(round, session, step, when);
        if (!outcome_good(&outcome))
            return outcome;
        round->answered++;
    }
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
    if (is_doubtful(&session->reply))
        forgo_chunks(session);
    else if (is_good(&session->reply) && work->now.accepted)
        session->gives_codes = true;
    return take_verdict(&work->now, session);
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
        trace_message(&work->now, session);
        outcome = smtp_body_send(session, mail->transaction, mail->convert,
                                 buffer_text(&mail->signature));
    }
    if (!outcome_good(&outcome))
        return outcome;
    if (session->offer.pipelining && !is_exhausted(session))
        following = mail->waiting ? mail : work->left ? NULL : fetch(work);
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

/*
 * A message in a session that broke: kept for the next session when nothing can have come of it,
 * and going on comes to an end: its MAIL had not been taken and this session was good for
 * something, or the server did not know BDAT. Else it is for later.
 */
static struct smtp_mail *salvage(struct work *work, struct round *round,
                                 const struct outcome *outcome, bool may_keep)
{
    struct smtp_mail *mail = round->mail;
    bool begun = round->answered > STEP_MAIL || (round->chunked && round->sent > last_step(round));
    bool again = round->again;
    end(round);
    if (!mail)
        return NULL;
    if (may_keep && ((!begun && work->session->rounds) || again)) {
        smtp_mail_withdraw(mail);
        return mail;
    }
    smtp_mail_settle_all(mail, STATE_ACCEPTED, outcome);
    smtp_mail_settle_all(mail, STATE_WAITING, outcome);
    smtp_mail_finish(mail, work->source);
    return NULL;
}

static void abandon(struct work *work, struct smtp_mail **carried, const struct outcome *outcome)
{
    struct round left = {.mail = work->left};
    if (work->then.mail == work->now.mail)
        end(&work->then);
    struct smtp_mail *kept = salvage(work, &work->now, outcome, true);
    struct smtp_mail *then = salvage(work, &work->then, outcome, !kept);
    (void)salvage(work, &left, outcome, false);
    *carried = kept ? kept : then;
}

/*
 * A message with recipients left, and none under way behind it: the next round is its own, unless
 * this session takes no more. Then it waits for another one, or, if one does already, for later.
 */
static void begin_again(struct work *work, struct smtp_mail *mail)
{
    if (!is_exhausted(work->session)) {
        begin(&work->now, mail, work->session, work->session->open_mail);
    } else if (!work->left) {
        work->left = mail;
    } else {
        struct outcome outcome =
            outcome_later("4.5.3", "%s takes no more messages in a session", work->session->host);
        smtp_mail_settle_all(mail, STATE_WAITING, &outcome);
        smtp_mail_finish(mail, work->source);
        ++*work->finished;
    }
}

/* Goes on from round to round as long as each was begun along with the one before. */
static struct outcome hold_rounds(struct work *work)
{
    while (work->now.mail) {
        struct outcome outcome = hold(work);
        if (outcome_good(&outcome) && work->now.go_ahead)
            outcome = send_message(work);
        if (!outcome_good(&outcome))
            return outcome;
        work->session->rounds++;
        struct smtp_mail *mail = work->now.mail;
        end(&work->now);
        work->now = work->then;
        work->then = (struct round){0};
        if (!mail->waiting) {
            smtp_mail_finish(mail, work->source);
            ++*work->finished;
            continue;
        }
        work->source->progress(work->source->context, mail->transaction);
        if (!work->now.mail)
            begin_again(work, mail);
        else if (mail != work->now.mail)
            work->left = mail;
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
        work.left = NULL;
        struct outcome outcome = hold_rounds(&work);
        if (!outcome_good(&outcome)) {
            abandon(&work, carried, &outcome);
            return outcome;
        }
        mail = work.left ? work.left : fetch(&work);
    }
    return outcome_done();
}

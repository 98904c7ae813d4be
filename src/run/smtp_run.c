/*
 * Round after round in a session: the final dot leaves together with the next round's first steps,
 * and behind a round that left whole come all of the next ones, as many as the window takes.
 */
#include "run/smtp_run.h"

#include <string.h>

#include "run/smtp_body.h"
#include "run/smtp_round.h"

/*
 * The window. Should all end at once, each message in it may have been taken without a word, and
 * would come a second time (RFC 1047): so it is no wider than it pays, and a session has to earn
 * it.
 */
enum {
    ROUNDS_AT_FIRST = 2,
    ROUNDS_MOST = 10,   /* at 20 ms a round trip, 500 messages a second */
    BYTES_MOST = 131072 /* of messages without an answer when one more is put behind them, and of
                           what is put before it leaves */
};

struct work {
    struct smtp_session *session;
    const struct smtp_source *source;
    struct smtp_round rounds[ROUNDS_MOST]; /* .under_way of the session, the next to answer first */
    struct smtp_mail *left;                /* have recipients that wait for a round of their own */
    size_t *finished;
};

static bool is_exhausted(const struct smtp_session *session)
{
    return session->offer.most_mails && session->mails >= session->offer.most_mails;
}

static void finish(struct work *work, struct smtp_mail *mail)
{
    smtp_mail_finish(mail, work->source);
    work->session->unsettled++;
    ++*work->finished;
}

/* The first of those that are left, or the next one of the source; see there for the wait. */
static struct smtp_mail *take(struct work *work, bool wait)
{
    struct smtp_mail *mail = smtp_mail_pop(&work->left);
    if (!mail)
        return smtp_mail_take(work->source, wait);
    struct outcome outcome = mail->carried && !mail->counted && work->source->again
                                 ? work->source->again(work->source->context, wait)
                                 : outcome_done();
    if (!outcome_good(&outcome) && !wait) {
        smtp_mail_put_first(&work->left, mail);
        return NULL;
    }
    if (!outcome_good(&outcome))
        smtp_mail_settle_all(mail, STATE_WAITING, &outcome);
    mail->carried = mail->counted = false;
    return mail;
}

/* The next message that has somebody to go to. */
static struct smtp_mail *fetch(struct work *work, bool wait)
{
    struct smtp_mail *mail;
    while ((mail = take(work, wait))) {
        smtp_mail_prepare(mail, work->session);
        if (mail->waiting)
            return mail;
        finish(work, mail);
    }
    return NULL;
}

static struct smtp_round *begin(struct work *work, struct smtp_mail *mail, bool reset)
{
    struct smtp_round *round = &work->rounds[work->session->under_way++];
    smtp_round_begin(round, mail, work->session, reset);
    return round;
}

static void drop_first(struct work *work)
{
    smtp_round_end(&work->rounds[0]);
    size_t rest = --work->session->under_way;
    memmove(work->rounds, work->rounds + 1, rest * sizeof *work->rounds);
}

static bool has_room(const struct work *work)
{
    const struct smtp_session *session = work->session;
    size_t commands = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < session->under_way; i++) {
        commands += work->rounds[i].sent - work->rounds[i].answered;
        bytes += work->rounds[i].mail->transaction->size;
    }
    return session->under_way < ROUNDS_AT_FIRST + session->earned &&
           session->under_way < ROUNDS_MOST && commands < SMTP_WINDOW && bytes < BYTES_MOST;
}

/* Behind messages that were put whole come the next ones. */
static void put_following(struct work *work)
{
    struct smtp_round *last = &work->rounds[work->session->under_way - 1];
    struct smtp_mail *following;
    while (smtp_round_is_whole(last) && !last->more && has_room(work) &&
           !is_exhausted(work->session) && (following = fetch(work, false))) {
        last = begin(work, following, true);
        smtp_round_put(last, work->session);
    }
}

/*
 * Not while replies are here unread: they may let more be put. Nor to a peer that has closed: its
 * host would throw away what it still holds of its replies (RFC 9293 3.10.7.4).
 */
static bool is_time_to_flush(struct smtp_session *session)
{
    return session->out.length && !(session->awaited && stream_waiting(&session->stream) &&
                                    session->out.length < BYTES_MOST);
}

/* All steps of the first round and their replies. */
static struct outcome hold(struct work *work)
{
    struct smtp_session *session = work->session;
    struct smtp_round *round = &work->rounds[0];
    for (;;) {
        struct outcome outcome;
        smtp_round_put(round, session);
        if (outcome_good(&round->fault))
            put_following(work);
        outcome = !outcome_good(&round->fault) ? round->fault
                  : is_time_to_flush(session)  ? smtp_flush(session, LIMIT_COMMAND)
                                               : outcome_done();
        if (!outcome_good(&outcome) || round->answered == round->sent)
            return outcome;
        outcome = smtp_round_take(round, session);
        if (!outcome_good(&outcome))
            return outcome;
    }
}

/* The message, its dot, and along with that what comes next; then what is said to the dot. */
static struct outcome send_message(struct work *work)
{
    struct smtp_session *session = work->session;
    struct smtp_round *round = &work->rounds[0];
    struct smtp_mail *mail = round->mail, *following = NULL;
    struct outcome outcome = outcome_done();
    bool each = session->target->socket;
    /* Nobody was accepted, and so nobody would be answered for. */
    if (each && !round->accepted)
        return smtp_misplaced(session, "after DATA");
    if (round->accepted)
        outcome =
            smtp_body_send(session, mail->transaction, mail->form, buffer_text(&mail->signature));
    if (!outcome_good(&outcome))
        return outcome;
    if (session->offer.pipelining && !is_exhausted(session))
        following = mail->waiting ? mail : fetch(work, false);
    smtp_put(session, ".");
    if (each)
        session->unsent += round->accepted - 1;
    if (following)
        smtp_round_put(begin(work, following, false), session);
    outcome = smtp_flush(session, LIMIT_BLOCK);
    if (!outcome_good(&outcome))
        return outcome;
    return smtp_round_take_end(round, session);
}

/*
 * A message in a session that broke: kept for the next session when nothing can have come of it,
 * and going on comes to an end: its MAIL had not been taken and this session was good for
 * something, even if only that another one is for later; or the server did not know BDAT. Else it
 * is for later.
 */
static void salvage(struct work *work, struct smtp_mail *mail, bool keep,
                    const struct outcome *outcome, struct smtp_mail **kept)
{
    if (keep) {
        smtp_mail_withdraw(mail);
        mail->carried = true;
        smtp_mail_push(kept, mail);
        return;
    }
    smtp_mail_put_off(mail, work->source, outcome);
}

/*
 * Who ends a session in the middle of several messages, or is behind a line that breaks, gets one
 * at a time from now on: what was said of them may not have come through.
 */
static void note_end(const struct work *work)
{
    const struct smtp_hop *hop = work->session->hop;
    if (hop->no_chunks && work->session->under_way > 1 && smtp_round_is_whole(&work->rounds[1]))
        *hop->no_chunks = *hop->abrupt = true;
}

/* The session is over: what may go on in the next one is kept, all else is put off. */
static void end(struct work *work, const struct outcome *outcome, struct smtp_mail **kept)
{
    bool worked = work->session->rounds;
    bool unread = work->session->under_way && smtp_has_parted(work->session);
    note_end(work);
    while (work->session->under_way) {
        const struct smtp_round *round = &work->rounds[0];
        struct smtp_mail *mail = round->mail;
        bool keep = round->again || (worked && !smtp_round_is_begun(round, unread));
        bool goes_on = work->session->under_way > 1 && work->rounds[1].mail == mail;
        drop_first(work);
        if (goes_on)
            drop_first(work);
        salvage(work, mail, keep, outcome, kept);
        worked = true;
    }
    for (struct smtp_mail *mail; (mail = smtp_mail_pop(&work->left));)
        salvage(work, mail, worked, outcome, kept);
}

/* Goes on from round to round as long as each was begun along with the one before. */
static struct outcome hold_rounds(struct work *work)
{
    while (work->session->under_way) {
        struct outcome outcome = hold(work);
        if (outcome_good(&outcome) && work->rounds[0].go_ahead)
            outcome = send_message(work);
        if (!outcome_good(&outcome))
            return outcome;
        work->session->rounds++;
        struct smtp_mail *mail = work->rounds[0].mail;
        drop_first(work);
        if (!mail->waiting) {
            finish(work, mail);
            continue;
        }
        work->source->progress(work->source->context, mail->transaction);
        /* If none is under way behind it, its next round is. */
        if (!work->session->under_way && !is_exhausted(work->session))
            begin(work, mail, work->session->open_mail);
        else if (!work->session->under_way || mail != work->rounds[0].mail)
            smtp_mail_push(&work->left, mail);
    }
    return outcome_done();
}

struct outcome smtp_run(struct smtp_session *session, const struct smtp_source *source,
                        struct smtp_mail **carried, size_t *finished)
{
    struct work work = {
        .session = session, .source = source, .left = *carried, .finished = finished};
    struct smtp_mail *mail;
    struct outcome outcome = outcome_done();
    session->source = source;
    *carried = NULL;
    while (outcome_good(&outcome) && (mail = fetch(&work, true))) {
        if (is_exhausted(session)) {
            mail->counted = true;
            smtp_mail_put_first(&work.left, mail);
            break;
        }
        begin(&work, mail, session->open_mail);
        outcome = hold_rounds(&work);
    }
    end(&work, &outcome, carried);
    return outcome;
}

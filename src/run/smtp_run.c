/*
 * Round after round in a session: the final dot leaves together with the next round's first steps,
 * and behind a round that left whole comes all of the next one.
 */
#include "run/smtp_run.h"

#include "run/smtp_body.h"
#include "run/smtp_round.h"

struct work {
    struct smtp_session *session;
    const struct smtp_source *source;
    struct smtp_round now, then;
    struct smtp_mail *left; /* has recipients that wait for a round of their own; NULL: none has */
    size_t *finished;
};

static bool is_exhausted(const struct smtp_session *session)
{
    return session->offer.most_mails && session->mails >= session->offer.most_mails;
}

static void finish(struct work *work, struct smtp_mail *mail)
{
    smtp_mail_finish(mail, work->source);
    ++*work->finished;
}

/* This message, or the next one, that has somebody to go to. */
static struct smtp_mail *prepare(struct work *work, struct smtp_mail *mail)
{
    for (; mail; mail = smtp_mail_take(work->source)) {
        smtp_mail_prepare(mail, work->session);
        if (mail->waiting)
            return mail;
        finish(work, mail);
    }
    return NULL;
}

static struct smtp_mail *fetch(struct work *work)
{
    return prepare(work, smtp_mail_take(work->source));
}

/* Behind a message that was put whole comes the next one. */
static void put_following(struct work *work)
{
    struct smtp_session *session = work->session;
    const struct smtp_round *now = &work->now;
    if (!smtp_round_is_whole(now) || work->then.mail || work->left || now->more ||
        is_exhausted(session))
        return;
    struct smtp_mail *following = fetch(work);
    if (!following)
        return;
    smtp_round_begin(&work->then, following, session, true);
    smtp_round_put(&work->then, session);
}

/* All steps and their replies. */
static struct outcome hold(struct work *work)
{
    struct smtp_session *session = work->session;
    struct smtp_round *round = &work->now;
    for (;;) {
        struct outcome outcome;
        smtp_round_put(round, session);
        if (outcome_good(&round->fault))
            put_following(work);
        outcome = !outcome_good(&round->fault) ? round->fault
                  : session->out.length        ? smtp_flush(session, LIMIT_COMMAND)
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
    struct smtp_mail *mail = work->now.mail, *following = NULL;
    struct outcome outcome = outcome_done();
    bool each = session->target->socket;
    /* Nobody was accepted, and so nobody would be answered for. */
    if (each && !work->now.accepted)
        return smtp_misplaced(session, "after DATA");
    if (work->now.accepted)
        outcome = smtp_body_send(session, mail->transaction, mail->convert,
                                 buffer_text(&mail->signature));
    if (!outcome_good(&outcome))
        return outcome;
    if (session->offer.pipelining && !is_exhausted(session))
        following = mail->waiting ? mail : work->left ? NULL : fetch(work);
    smtp_put(session, ".");
    if (each)
        session->unsent += work->now.accepted - 1;
    if (following) {
        smtp_round_begin(&work->then, following, session, false);
        smtp_round_put(&work->then, session);
    }
    outcome = smtp_flush(session, LIMIT_BLOCK);
    if (!outcome_good(&outcome))
        return outcome;
    return smtp_round_take_end(&work->now, session);
}

/*
 * A message in a session that broke: kept for the next session when nothing can have come of it,
 * and going on comes to an end: its MAIL had not been taken and this session was good for
 * something, or the server did not know BDAT. Else it is for later.
 */
static struct smtp_mail *salvage(struct work *work, struct smtp_round *round,
                                 const struct outcome *outcome, bool may_keep)
{
    struct smtp_mail *mail = round->mail;
    bool begun = smtp_round_is_begun(round);
    bool again = round->again;
    smtp_round_end(round);
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
    struct smtp_round left = {.mail = work->left};
    if (work->then.mail == work->now.mail)
        smtp_round_end(&work->then);
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
        smtp_round_begin(&work->now, mail, work->session, work->session->open_mail);
    } else if (!work->left) {
        work->left = mail;
    } else {
        struct outcome outcome =
            outcome_later("4.5.3", "%s takes no more messages in a session", work->session->host);
        smtp_mail_settle_all(mail, STATE_WAITING, &outcome);
        finish(work, mail);
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
        smtp_round_end(&work->now);
        work->now = work->then;
        work->then = (struct smtp_round){0};
        if (!mail->waiting) {
            finish(work, mail);
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
    return mail ? prepare(work, mail) : fetch(work);
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
        smtp_round_begin(&work.now, mail, session, session->open_mail);
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

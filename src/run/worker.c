/*
 * One connection's worth of work: waits for a seat at the next hop, finds what is needed to sign
 * in, and has the SMTP client take what the jobs are (jobs.h), in as many sessions as it takes.
 * What the next hop is worth is noted for others.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/credentials.h"
#include "queue/hop.h"
#include "queue/limit.h"
#include "run/confine.h"
#include "run/dialogue.h"
#include "run/jobs.h"
#include "run/keeper.h"
#include "run/retry.h"
#include "run/run.h"
#include "run/smtp.h"

enum { BROKEN_SESSIONS = 3 /* in a row without a single message: the next hop is down */ };

struct work {
    struct jobs jobs;       /* with the run and the next hop */
    bool worked;            /* the next hop was there */
    struct keeper keeper;   /* of what password_command prints, if there is one */
    bool secret_is_new;     /* nobody has signed in with it yet */
    bool no_chunks, abrupt; /* see run/smtp.h */
};

static struct outcome find_secret(struct work *work, struct buffer *secret)
{
    const struct smarthost *peer = work->jobs.hop->next.peer;
    char *path = settings_credentials_path(&work->jobs.run->settings);
    struct outcome outcome;
    if (!*peer->password_command) {
        outcome = credentials_find(peer, path, secret);
    } else {
        outcome = keeper_start(&work->keeper, peer, path);
        if (outcome_good(&outcome))
            outcome = keeper_ask(&work->keeper, secret);
    }
    free(path);
    return outcome;
}

/* What a command prints may be good for one session only, such as a token. */
static struct outcome renew_secret(void *context, struct buffer *secret)
{
    struct work *work = context;
    bool is_new = work->secret_is_new;
    work->secret_is_new = false;
    return is_new || work->keeper.fd < 0 ? outcome_done() : keeper_ask(&work->keeper, secret);
}

static struct outcome prepare(struct work *work, struct buffer *secret, struct smtp_hop *smtp)
{
    const struct next_hop *next = &work->jobs.hop->next;
    const struct smarthost *peer = next->peer;
    *smtp = smtp_hop_of(peer, work->jobs.run->settings.hostname);
    smtp->domain = next->way == WAY_MX ? next->domain : NULL;
    smtp->socket = next->way == WAY_LMTP ? next->route->argument : NULL;
    smtp->trace = work->jobs.run->verbose ? dialogue_line : NULL;
    work->no_chunks = hop_is_abrupt(&work->jobs.run->queue, work->jobs.hop->name);
    smtp->no_chunks = &work->no_chunks;
    smtp->abrupt = &work->abrupt;
    if (next->way == WAY_LMTP)
        smtp->auth = AUTH_OFF;
    if (smtp->auth == AUTH_OFF || smtp->auth == AUTH_EXTERNAL)
        return outcome_done();
    smtp->secret = secret;
    smtp->renew = renew_secret;
    smtp->renew_context = work;
    work->secret_is_new = true;
    return find_secret(work, secret);
}

/* Nothing for this next hop will ever go anywhere. */
static void refuse_all(struct work *work, const struct outcome *outcome)
{
    struct transaction *transaction;
    work->jobs.refused = true;
    while ((transaction = jobs_next(&work->jobs, true))) {
        for (size_t i = 0; i < transaction->count; i++)
            transaction->recipients[i].outcome = *outcome;
        jobs_finish(&work->jobs, transaction);
        jobs_sync(&work->jobs);
    }
}

/* As many sessions as it takes, while each gets something done. */
static struct outcome deliver(struct work *work, const struct smtp_hop *smtp)
{
    struct smtp_source source = {.context = &work->jobs,
                                 .next = jobs_next,
                                 .again = jobs_again,
                                 .progress = jobs_progress,
                                 .finish = jobs_finish,
                                 .sync = jobs_sync};
    struct outcome outcome = outcome_done();
    unsigned broken = 0;
    while (broken < BROKEN_SESSIONS && !work->jobs.failed) {
        size_t transactions = 0, before = work->jobs.at;
        outcome = smtp_deliver(smtp, &source, &transactions);
        jobs_sync(&work->jobs);
        if (outcome.result == NEVER) {
            refuse_all(work, &outcome);
            return outcome_done();
        }
        work->worked = work->worked || outcome_good(&outcome);
        if (outcome_good(&outcome) || work->jobs.full || work->jobs.at == before)
            break;
        broken = transactions ? 0 : broken + 1;
    }
    return outcome;
}

/* With a seat at the next hop, and with what is needed to sign in. */
static struct outcome use_seat(struct work *work)
{
    struct buffer secret = {.limit = 65536};
    struct smtp_hop smtp;
    struct outcome outcome = outcome_done();
    /* No connection is made for nothing. */
    if (run_is_over(work->jobs.run) || !jobs_may_go(&work->jobs))
        return outcome;
    outcome = prepare(work, &secret, &smtp);
    if (outcome_good(&outcome)) {
        /* With LMTP it stays here, and nobody verifies. */
        work->jobs.signer =
            work->jobs.hop->next.way == WAY_LMTP ? NULL : signer_open(&work->jobs.run->settings);
        outcome = confine(work->jobs.run, &smtp);
        if (outcome_good(&outcome))
            outcome = deliver(work, &smtp);
    }
    file_close(&work->keeper.fd);
    buffer_wipe(&secret);
    return outcome;
}

/* While we waited, somebody else may have found out that the hop is not to be used now. */
static bool is_left_alone(struct work *work)
{
    struct hop_state state;
    hop_read(&work->jobs.run->queue, work->jobs.hop->name, &state);
    return state.until > clock_now() && state.until != work->jobs.hop->state.until;
}

/* "rate = 100/h is used up until 14:05" */
static void pause_hop(struct work *work)
{
    const struct rate *rate = &work->jobs.hop->next.peer->rate;
    time_t now = clock_now();
    /* By milliseconds, so that each look at it comes to the same second. */
    time_t until = (time_t)((clock_now_us() / 1000 + (uint64_t)work->jobs.full_ms + 999) / 1000);
    char when[64] = "";
    struct tm today, then;
    if (localtime_r(&now, &today) && localtime_r(&until, &then)) {
        bool same_day = today.tm_yday == then.tm_yday && today.tm_year == then.tm_year;
        if (!strftime(when, sizeof when, same_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &then))
            when[0] = '\0';
    }
    const char *unit = rate->seconds == 1       ? "s"
                       : rate->seconds == 60    ? "m"
                       : rate->seconds == 3600  ? "h"
                       : rate->seconds == 86400 ? "d"
                                                : "?";
    struct outcome why =
        outcome_later("4.4.5", "rate = %u/%s is used up until %s", rate->count, unit, when);
    log_notice("%s pauses: %s", work->jobs.hop->name, why.reason);
    hop_pause(&work->jobs.run->queue, work->jobs.hop->name, &why, (uint64_t)(until - now));
}

int work(struct run *run, struct hop *hop, const struct list *letters)
{
    struct work work = {.jobs = {.run = run, .hop = hop, .letters = letters}, .keeper = {.fd = -1}};
    int seat;
    bool waited;
    struct outcome outcome =
        limit_enter(&run->queue, hop->name, hop->next.peer->connections, &seat, &waited);
    if (outcome_good(&outcome) && waited && is_left_alone(&work)) {
        file_close(&seat);
        return EX_TEMPFAIL;
    }
    if (outcome_good(&outcome))
        outcome = use_seat(&work);
    jobs_leave(&work.jobs);
    if (work.abrupt)
        hop_was_abrupt(&run->queue, hop->name);
    signer_close(work.jobs.signer);
    file_close(&seat);
    if (outcome_good(&outcome)) {
        if (work.worked)
            hop_works(&run->queue, hop->name);
        if (work.jobs.full)
            pause_hop(&work);
        return work.jobs.failed ? EX_IOERR : EX_OK;
    }
    /* Whoever tells us to end may have told what we rely on as well. */
    if (run_is_over(run))
        return EX_TEMPFAIL;
    log_error("%s cannot be used now: %s", hop->name, outcome.reason);
    hop_failed(&run->queue, hop->name, &outcome, retry_pause(run, hop));
    return EX_TEMPFAIL;
}

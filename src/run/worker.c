/*
 * One connection's worth of work: takes messages from its list, one after the other, hands them to
 * the SMTP client and writes down what became of each recipient. It holds at most two messages'
 * locks, the second without waiting. It waits for a seat at the next hop first, and offers no
 * message that the hop's rate does not allow (limit.h). What an address of this machine sends on
 * travels apart from the rest of its message, for it says so in its header (loop.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "config/credentials.h"
#include "mail/address.h"
#include "queue/hop.h"
#include "queue/journal.h"
#include "queue/limit.h"
#include "run/confine.h"
#include "run/keeper.h"
#include "run/loop.h"
#include "run/run.h"
#include "run/smtp.h"
#include "run/trace.h"

enum {
    BROKEN_SESSIONS = 3,     /* in a row without a single message: the next hop is down */
    SHORT_WAIT_MS = 5 * 1000 /* until the rate allows one more: waited for in the session */
};

/* A message at hand, and its recipients that were handed out. */
struct parcel {
    struct letter letter;
    bool *taken;
    size_t jobs; /* that are not finished */
};

struct job {
    struct parcel *parcel;
    struct transaction transaction;
    size_t *indexes;      /* of the transaction's recipients in the letter */
    bool *noted;          /* of these: what became of it is written down */
    struct buffer prefix; /* of the transaction */
    struct job *next;
};

struct work {
    struct run *run;
    struct hop *hop;
    const struct list *letters;
    struct signer *signer; /* of our own mail that leaves this machine; NULL: it goes unsigned */
    size_t at;             /* the next one to look at */
    struct parcel *parcel; /* the one before, which may have recipients left */
    struct job *jobs;      /* handed out and not finished, at most two */
    bool failed;           /* a disk says no: stop */
    bool full;             /* the rate is used up: stop, for so many milliseconds */
    int64_t full_ms;
    bool worked;          /* the next hop was there */
    bool refused;         /* nothing more is offered to the next hop */
    struct keeper keeper; /* of what password_command prints, if there is one */
    bool secret_is_new;   /* nobody has signed in with it yet */
};

/* ---- from the queue ---- */

/*
 * What becomes of one recipient of several has to be noted while the message stays, on a full disk
 * too: else the next hop would get it again with each run. With one recipient its file just goes.
 */
static bool can_note(struct letter *letter)
{
    if (letter->count == 1)
        return true;
    struct outcome outcome = journal_reserve(letter);
    if (!outcome_good(&outcome))
        log_event(letter->id, "deferred", "reason", outcome.reason, NULL);
    return outcome_good(&outcome);
}

static struct parcel *open_parcel(struct work *work, const char *id)
{
    struct parcel *parcel = memory_get(sizeof *parcel);
    struct outcome problem;
    if (letter_open(&work->run->queue, id, LETTER_WORK, false, &parcel->letter, &problem) !=
        LETTER_OPENED) {
        free(parcel);
        return NULL;
    }
    /* Held since it was put on the list. */
    if (parcel->letter.held || !can_note(&parcel->letter)) {
        letter_close(&parcel->letter);
        free(parcel);
        return NULL;
    }
    parcel->taken = memory_get(parcel->letter.count * sizeof *parcel->taken);
    return parcel;
}

/* When neither a job nor the search for recipients has to do with it any more. */
static void close_parcel(const struct work *work, struct parcel *parcel)
{
    if (parcel->jobs || parcel == work->parcel)
        return;
    letter_close(&parcel->letter);
    free(parcel->taken);
    free(parcel);
}

/*
 * Whether the recipient may go along with another one: neither was sent on, or both by the same and
 * in the name of the same sender.
 */
static bool fits(const struct letter *letter, size_t index, size_t first)
{
    bool apart = letter->recipients[first].parent >= 0;
    if (!apart || letter->recipients[index].parent < 0)
        return apart == (letter->recipients[index].parent >= 0);
    return letter_original(letter, index) == letter_original(letter, first) &&
           address_equal(letter_sender(letter, index), letter_sender(letter, first));
}

static void collect_recipients(struct work *work, struct job *job)
{
    struct parcel *parcel = job->parcel;
    struct letter *letter = &parcel->letter;
    struct transaction *transaction = &job->transaction;
    transaction->recipients = memory_get(letter->count * sizeof *transaction->recipients);
    job->indexes = memory_get(letter->count * sizeof *job->indexes);
    job->noted = memory_get(letter->count * sizeof *job->noted);
    for (size_t i = 0; i < letter->count; i++) {
        struct letter_recipient *recipient = &letter->recipients[i];
        if (recipient->progress != PROGRESS_PENDING || parcel->taken[i] ||
            hops_find(work->run, letter, i) != work->hop ||
            (transaction->count && !fits(letter, i, job->indexes[0])))
            continue;
        parcel->taken[i] = true;
        job->indexes[transaction->count] = i;
        transaction->recipients[transaction->count++] = (struct smtp_recipient){
            .address = &recipient->address,
            .notify = recipient->notify,
            .orcpt = recipient->orcpt,
            .outcome = outcome_later("4.4.2", "the session ended before an answer")};
    }
    if (!transaction->count)
        return;
    transaction->sender = letter_sender(letter, job->indexes[0]);
    if (transaction->sender == &letter->envelope.sender) {
        /* The envelope of a list is a new one (RFC 3461 5.2.7.3). */
        transaction->envid = letter->envelope.envid;
        transaction->ret = letter->envelope.ret;
    }
    if (letter->recipients[job->indexes[0]].parent >= 0)
        loop_put_mark(letter_original(letter, job->indexes[0]), work->run->settings.hostname,
                      &job->prefix);
    if (job->prefix.length)
        transaction->prefix = buffer_text(&job->prefix);
}

static void free_job(const struct work *work, struct job *job)
{
    job->parcel->jobs--;
    close_parcel(work, job->parcel);
    free(job->transaction.recipients);
    free(job->indexes);
    free(job->noted);
    buffer_free(&job->prefix);
    free(job);
}

/* A job for recipients of the parcel that go together; NULL: there are none left. */
static struct job *make_job(struct work *work, struct parcel *parcel)
{
    struct letter *letter = &parcel->letter;
    struct job *job = memory_get(sizeof *job);
    job->parcel = parcel;
    parcel->jobs++;
    job->transaction = (struct transaction){.fd = letter->fd,
                                            .start = letter->start,
                                            .size = letter->size,
                                            .eight_bit = letter->eight_bit,
                                            .not_8bit = letter->not_8bit};
    /* In our name nothing is vouched for that a stranger sent, whatever he says in From. */
    if (letter->envelope.submitted)
        job->transaction.signer = work->signer;
    collect_recipients(work, job);
    if (job->transaction.count)
        return job;
    free_job(work, job);
    return NULL;
}

/* Whether one more message may go now, or very soon; take: it goes. */
static bool rate_allows(struct work *work, bool take)
{
    const struct rate *rate = &work->hop->next.peer->rate;
    const struct limit_rate limit = {rate->count, rate->seconds};
    int64_t wait = 0;
    while (!work->refused) {
        struct outcome outcome =
            limit_ask(&work->run->queue, work->hop->name, &limit, NULL, take, &wait);
        if (!outcome_good(&outcome)) {
            log_error("%s", outcome.reason);
            work->failed = true;
            return false;
        }
        if (wait == 0 || (!take && wait <= SHORT_WAIT_MS))
            return true;
        if (wait > SHORT_WAIT_MS) {
            work->full = true;
            work->full_ms = wait;
            return false;
        }
        struct timespec pause = {.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000L};
        while (nanosleep(&pause, &pause) < 0 && errno == EINTR)
            ;
    }
    return true;
}

/* The parcel has no recipients left that would have to be looked for. */
static void leave_parcel(struct work *work)
{
    struct parcel *before = work->parcel;
    work->parcel = NULL;
    if (before)
        close_parcel(work, before);
}

/* The next recipients that go together; NULL: there are none, or no more may go now. */
static struct job *next_job(struct work *work)
{
    for (;;) {
        struct job *job = work->parcel ? make_job(work, work->parcel) : NULL;
        if (job && rate_allows(work, true))
            return job;
        if (job)
            free_job(work, job);
        leave_parcel(work);
        if (job || work->at == work->letters->count || run_is_over(work->run))
            return NULL;
        work->parcel = open_parcel(work, work->letters->entries[work->at++].id);
    }
}

static struct transaction *next_transaction(void *context)
{
    struct work *work = context;
    struct job *job = work->failed || work->full ? NULL : next_job(work);
    if (!job) {
        leave_parcel(work);
        return NULL;
    }
    job->next = work->jobs;
    work->jobs = job;
    return &job->transaction;
}

/* ---- back to the queue ---- */

static struct job *take_job(struct work *work, const struct transaction *transaction)
{
    struct job **at = &work->jobs;
    while (*at && &(*at)->transaction != transaction)
        at = &(*at)->next;
    if (!*at)
        impossible("a transaction that was not handed out");
    struct job *job = *at;
    *at = job->next;
    return job;
}

/* A next hop that knows DSN has taken the duty to report over; else LMTP is where mail ends. */
static enum progress progress_of(const struct work *work, const struct job *job, enum result result)
{
    if (result != DONE)
        return result == NEVER ? PROGRESS_FAILED : PROGRESS_PENDING;
    if (job->transaction.dsn_passed)
        return PROGRESS_PASSED;
    return work->hop->next.way == WAY_LMTP ? PROGRESS_DELIVERED : PROGRESS_RELAYED;
}

static void note_recipient(struct work *work, struct job *job, size_t i)
{
    const struct smtp_recipient *recipient = &job->transaction.recipients[i];
    const struct outcome *outcome = &recipient->outcome;
    struct letter *letter = &job->parcel->letter;
    if (job->noted[i])
        return;
    job->noted[i] = true;
    journal_mark(letter, job->indexes[i], progress_of(work, job, outcome->result), outcome->status,
                 outcome->reason);
    if (outcome->result == NEVER) /* report.c logs that */
        return;
    char *to = address_text(recipient->address);
    log_event(letter->id, outcome->result == DONE ? "delivered" : "deferred", "to", to, "via",
              work->hop->name, "status", outcome->status, "reply", outcome->reason, "dkim",
              outcome->result == DONE ? job->transaction.signed_by : NULL, NULL);
    free(to);
}

/* Going on would send what cannot be remembered as sent. */
static void stop_unless(struct work *work, const struct outcome *outcome)
{
    if (outcome_good(outcome))
        return;
    log_error("%s", outcome->reason);
    work->failed = true;
}

/* So many recipients that the next hop takes them in parts: each part is remembered at once. */
static void note_progress(void *context, struct transaction *transaction)
{
    struct work *work = context;
    struct job *job = work->jobs;
    while (job && &job->transaction != transaction)
        job = job->next;
    if (!job)
        impossible("a transaction that was not handed out");
    for (size_t i = 0; i < transaction->count; i++)
        if (transaction->recipients[i].settled)
            note_recipient(work, job, i);
    struct outcome outcome = journal_save(&job->parcel->letter);
    stop_unless(work, &outcome);
}

/* A message that is through entirely leaves no journal: its file just goes. */
static void finish_transaction(void *context, struct transaction *transaction)
{
    struct work *work = context;
    struct job *job = take_job(work, transaction);
    struct letter *letter = &job->parcel->letter;
    for (size_t i = 0; i < transaction->count; i++)
        note_recipient(work, job, i);
    struct outcome outcome;
    if (letter_is_finished(letter)) {
        outcome = letter_remove(letter);
        if (!outcome_good(&outcome)) {
            outcome = journal_save(letter); /* then it stays, but goes nowhere again */
        } else {
            log_event(letter->id, "removed", NULL);
            /* At once, not for all of the list: a power cut brings one message back, not many. */
            outcome = letter_sync(&work->run->queue);
        }
    } else {
        outcome = journal_save(letter);
    }
    stop_unless(work, &outcome);
    free_job(work, job);
}

/* ---- the connection ---- */

static struct outcome find_secret(struct work *work, struct buffer *secret)
{
    const struct smarthost *peer = work->hop->next.peer;
    char *path = settings_credentials_path(&work->run->settings);
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
    const struct next_hop *next = &work->hop->next;
    const struct smarthost *peer = next->peer;
    *smtp = (struct smtp_hop){.hostname = work->run->settings.hostname,
                              .hosts = &peer->hosts,
                              .domain = next->way == WAY_MX ? next->domain : NULL,
                              .socket = next->way == WAY_LMTP ? next->route->argument : NULL,
                              .port = peer->port,
                              .tls = peer->tls,
                              .tls_trust = peer->tls_trust,
                              .tls_fingerprint = peer->tls_fingerprint,
                              .tls_certificate = peer->tls_certificate,
                              .tls_key = peer->tls_key,
                              .auth = peer->auth,
                              .user = peer->user,
                              .secret = secret,
                              .renew = renew_secret,
                              .renew_context = work,
                              .trace = work->run->verbose ? trace_line : NULL};
    if (next->way == WAY_LMTP || (!(peer->user && *peer->user) && peer->auth != AUTH_EXTERNAL))
        smtp->auth = AUTH_OFF;
    if (smtp->auth == AUTH_OFF || smtp->auth == AUTH_EXTERNAL) {
        smtp->renew = NULL;
        return outcome_done();
    }
    work->secret_is_new = true;
    return find_secret(work, secret);
}

/* Nothing for this next hop will ever go anywhere. */
static void refuse_all(struct work *work, const struct outcome *outcome)
{
    struct transaction *transaction;
    work->refused = true;
    while ((transaction = next_transaction(work))) {
        for (size_t i = 0; i < transaction->count; i++)
            transaction->recipients[i].outcome = *outcome;
        finish_transaction(work, transaction);
    }
}

/* As many sessions as it takes, while each gets something done. */
static struct outcome deliver(struct work *work, const struct smtp_hop *smtp)
{
    struct smtp_source source = {.context = work,
                                 .next = next_transaction,
                                 .progress = note_progress,
                                 .finish = finish_transaction};
    struct outcome outcome = outcome_done();
    unsigned broken = 0;
    while (broken < BROKEN_SESSIONS && !work->failed) {
        size_t transactions = 0, before = work->at;
        outcome = smtp_deliver(smtp, &source, &transactions);
        if (outcome.result == NEVER) {
            refuse_all(work, &outcome);
            return outcome_done();
        }
        work->worked = work->worked || outcome_good(&outcome);
        if (outcome_good(&outcome) || work->full || work->at == before)
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
    if (run_is_over(work->run) || !rate_allows(work, false))
        return outcome;
    outcome = prepare(work, &secret, &smtp);
    if (outcome_good(&outcome)) {
        /* With LMTP it stays here, and nobody verifies. */
        work->signer = work->hop->next.way == WAY_LMTP ? NULL : signer_open(&work->run->settings);
        confine(work->run, &smtp);
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
    hop_read(&work->run->queue, work->hop->name, &state);
    return state.until > clock_now() && state.until != work->hop->state.until;
}

/* "rate = 100/h is used up until 14:05" */
static void pause_hop(struct work *work)
{
    const struct rate *rate = &work->hop->next.peer->rate;
    uint64_t wait = (uint64_t)(work->full_ms + 999) / 1000;
    time_t now = clock_now(), until = now + (time_t)wait;
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
    log_notice("%s pauses: %s", work->hop->name, why.reason);
    hop_pause(&work->run->queue, work->hop->name, &why, wait);
}

int work(struct run *run, struct hop *hop, const struct list *letters)
{
    struct work work = {.run = run, .hop = hop, .letters = letters, .keeper = {.fd = -1}};
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
    leave_parcel(&work);
    signer_close(work.signer);
    file_close(&seat);
    if (outcome_good(&outcome)) {
        if (work.worked)
            hop_works(&run->queue, hop->name);
        if (work.full)
            pause_hop(&work);
        return EX_OK;
    }
    log_error("%s cannot be used now: %s", hop->name, outcome.reason);
    hop_failed(&run->queue, hop->name, &outcome, settle_pause(run, hop));
    return EX_TEMPFAIL;
}

/*
 * See jobs.h. What an address of this machine sends on travels apart from the rest of its message,
 * for it says so in its header (loop.h).
 */
#include "run/jobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"
#include "mail/address.h"
#include "queue/journal.h"
#include "queue/limit.h"
#include "run/loop.h"

enum { SHORT_WAIT_MS = 5 * 1000 /* until the rate allows one more: waited for in the session */ };

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

static struct parcel *open_parcel(struct jobs *jobs, const char *id)
{
    struct parcel *parcel = memory_get(sizeof *parcel);
    struct outcome problem;
    if (letter_open(&jobs->run->queue, id, LETTER_WORK, false, &parcel->letter, &problem) !=
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
static void close_parcel(const struct jobs *jobs, struct parcel *parcel)
{
    if (parcel->jobs || parcel == jobs->parcel)
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

static void collect_recipients(struct jobs *jobs, struct job *job)
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
            hops_find(jobs->run, letter, i) != jobs->hop ||
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
        loop_put_mark(letter_original(letter, job->indexes[0]), jobs->run->settings.hostname,
                      &job->prefix);
    if (job->prefix.length)
        transaction->prefix = buffer_text(&job->prefix);
}

static void free_job(const struct jobs *jobs, struct job *job)
{
    job->parcel->jobs--;
    close_parcel(jobs, job->parcel);
    free(job->transaction.recipients);
    free(job->indexes);
    free(job->noted);
    buffer_free(&job->prefix);
    free(job);
}

/* It was not handed out: its recipients can be made a job of once more. */
static void take_back(const struct jobs *jobs, struct job *job)
{
    for (size_t i = 0; i < job->transaction.count; i++)
        job->parcel->taken[job->indexes[i]] = false;
    free_job(jobs, job);
}

/* A job for recipients of the parcel that go together; NULL: there are none left. */
static struct job *make_job(struct jobs *jobs, struct parcel *parcel)
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
        job->transaction.signer = jobs->signer;
    collect_recipients(jobs, job);
    if (job->transaction.count)
        return job;
    free_job(jobs, job);
    return NULL;
}

/* The milliseconds until one more message may go; 0, and take: it goes. -1: .failed is set. */
static int64_t ask_rate(struct jobs *jobs, bool take)
{
    const struct rate *rate = &jobs->hop->next.peer->rate;
    const struct limit_rate limit = {rate->count, rate->seconds};
    int64_t wait = 0;
    if (jobs->refused)
        return 0;
    struct outcome outcome =
        limit_ask(&jobs->run->queue, jobs->hop->name, &limit, NULL, take, &wait);
    if (outcome_good(&outcome))
        return wait;
    log_error("%s", outcome.reason);
    jobs->failed = true;
    return -1;
}

/* So long is nothing waited for: the next hop gets no more now. */
static bool is_full(struct jobs *jobs, int64_t wait)
{
    if (wait <= SHORT_WAIT_MS)
        return false;
    jobs->full = true;
    jobs->full_ms = wait;
    return true;
}

bool jobs_may_go(struct jobs *jobs)
{
    int64_t wait = ask_rate(jobs, false);
    return wait >= 0 && !is_full(jobs, wait);
}

/* One more message goes, when it may; without wait that is now or not. */
static bool let_go(struct jobs *jobs, bool wait)
{
    int64_t rest;
    while ((rest = ask_rate(jobs, true)) > 0 && wait && !is_full(jobs, rest)) {
        jobs_sync(jobs);
        struct timespec pause = {.tv_sec = rest / 1000, .tv_nsec = rest % 1000 * 1000000L};
        while (nanosleep(&pause, &pause) < 0 && errno == EINTR)
            ;
    }
    return rest == 0;
}

struct outcome jobs_again(void *context, bool wait)
{
    struct jobs *jobs = context;
    return let_go(jobs, wait) ? outcome_done()
                              : outcome_later("4.4.5", "%s may get no more now", jobs->hop->name);
}

/* The parcel has no recipients left that would have to be looked for. */
void jobs_leave(struct jobs *jobs)
{
    struct parcel *before = jobs->parcel;
    jobs->parcel = NULL;
    if (before)
        close_parcel(jobs, before);
}

/* The next recipients that go together; NULL: there are none, or no more may go now. */
static struct job *next_job(struct jobs *jobs, bool wait)
{
    for (;;) {
        struct job *job = jobs->parcel ? make_job(jobs, jobs->parcel) : NULL;
        if (job && let_go(jobs, wait))
            return job;
        if (job) {
            take_back(jobs, job);
            return NULL;
        }
        jobs_leave(jobs);
        if (jobs->at == jobs->letters->count || run_is_over(jobs->run))
            return NULL;
        jobs->parcel = open_parcel(jobs, jobs->letters->entries[jobs->at++].id);
    }
}

struct transaction *jobs_next(void *context, bool wait)
{
    struct jobs *jobs = context;
    struct job *job = jobs->failed || jobs->full ? NULL : next_job(jobs, wait);
    if (!job)
        return NULL;
    job->next = jobs->out;
    jobs->out = job;
    return &job->transaction;
}

/* ---- back to the queue ---- */

static struct job *take_job(struct jobs *jobs, const struct transaction *transaction)
{
    struct job **at = &jobs->out;
    while (*at && &(*at)->transaction != transaction)
        at = &(*at)->next;
    if (!*at)
        impossible("a transaction that was not handed out");
    struct job *job = *at;
    *at = job->next;
    return job;
}

/* A next hop that knows DSN has taken the duty to report over; else LMTP is where mail ends. */
static enum progress progress_of(const struct jobs *jobs, const struct job *job, enum result result)
{
    if (result != DONE)
        return result == NEVER ? PROGRESS_FAILED : PROGRESS_PENDING;
    if (job->transaction.dsn_passed)
        return PROGRESS_PASSED;
    return jobs->hop->next.way == WAY_LMTP ? PROGRESS_DELIVERED : PROGRESS_RELAYED;
}

static void note_recipient(struct jobs *jobs, struct job *job, size_t i)
{
    const struct smtp_recipient *recipient = &job->transaction.recipients[i];
    const struct outcome *outcome = &recipient->outcome;
    struct letter *letter = &job->parcel->letter;
    if (job->noted[i])
        return;
    job->noted[i] = true;
    journal_mark(letter, job->indexes[i], progress_of(jobs, job, outcome->result), outcome->status,
                 outcome->reason);
    if (outcome->result == NEVER) /* report.c logs that */
        return;
    char *to = address_text(recipient->address);
    log_event(letter->id, outcome->result == DONE ? "delivered" : "deferred", "to", to, "via",
              jobs->hop->name, "status", outcome->status, "reply", outcome->reason, "dkim",
              outcome->result == DONE ? job->transaction.signed_by : NULL, NULL);
    free(to);
}

/* Going on would send what cannot be remembered as sent. */
static void stop_unless(struct jobs *jobs, const struct outcome *outcome)
{
    if (outcome_good(outcome))
        return;
    log_error("%s", outcome->reason);
    jobs->failed = true;
}

/* While the next messages are on their way (smtp_session.c says when), not for each message. */
void jobs_sync(void *context)
{
    struct jobs *jobs = context;
    if (!jobs->unsynced)
        return;
    struct outcome outcome = letter_sync(&jobs->run->queue);
    jobs->unsynced = false;
    stop_unless(jobs, &outcome);
}

/* So many recipients that the next hop takes them in parts: each part is remembered at once. */
void jobs_progress(void *context, struct transaction *transaction)
{
    struct jobs *jobs = context;
    struct job *job = jobs->out;
    while (job && &job->transaction != transaction)
        job = job->next;
    if (!job)
        impossible("a transaction that was not handed out");
    for (size_t i = 0; i < transaction->count; i++)
        if (transaction->recipients[i].settled)
            note_recipient(jobs, job, i);
    struct outcome outcome = journal_save(&job->parcel->letter);
    stop_unless(jobs, &outcome);
}

/* A message that is through entirely leaves no journal: its file just goes. */
void jobs_finish(void *context, struct transaction *transaction)
{
    struct jobs *jobs = context;
    struct job *job = take_job(jobs, transaction);
    struct letter *letter = &job->parcel->letter;
    for (size_t i = 0; i < transaction->count; i++)
        note_recipient(jobs, job, i);
    struct outcome outcome;
    if (letter_is_finished(letter)) {
        outcome = letter_remove(letter);
        if (!outcome_good(&outcome)) {
            outcome = journal_save(letter); /* then it stays, but goes nowhere again */
        } else {
            log_event(letter->id, "removed", NULL);
            jobs->unsynced = true;
        }
    } else {
        outcome = journal_save(letter);
    }
    stop_unless(jobs, &outcome);
    free_job(jobs, job);
}

/*
 * One connection's worth of work: takes messages from its list, one after the other, hands them to
 * the SMTP client and writes down what became of each recipient. It holds at most two locks, the
 * second without waiting.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "config/credentials.h"
#include "mail/address.h"
#include "queue/journal.h"
#include "run/run.h"
#include "run/smtp.h"
#include "run/trace.h"

enum { BROKEN_SESSIONS = 3 /* in a row without a single message: the next hop is down */ };

struct job {
    struct letter letter;
    struct transaction transaction;
    size_t *indexes; /* of the transaction's recipients in the letter */
    struct job *next;
};

struct work {
    struct run *run;
    struct hop *hop;
    const struct list *letters;
    size_t at;        /* the next one to look at */
    struct job *jobs; /* handed out and not finished, at most two */
    bool failed;      /* a disk says no: stop */
};

/* ---- from the queue ---- */

static void collect_recipients(struct work *work, struct job *job)
{
    struct letter *letter = &job->letter;
    struct transaction *transaction = &job->transaction;
    transaction->recipients = memory_get(letter->count * sizeof *transaction->recipients);
    job->indexes = memory_get(letter->count * sizeof *job->indexes);
    for (size_t i = 0; i < letter->count; i++) {
        struct letter_recipient *recipient = &letter->recipients[i];
        if (recipient->progress != PROGRESS_PENDING || visit_hop(work->run, letter, i) != work->hop)
            continue;
        job->indexes[transaction->count] = i;
        transaction->recipients[transaction->count++] = (struct smtp_recipient){
            .address = &recipient->address,
            .notify = recipient->notify,
            .orcpt = recipient->orcpt,
            .outcome = outcome_later("4.4.2", "the session ended before an answer")};
    }
}

static void free_job(struct job *job)
{
    free(job->transaction.recipients);
    free(job->indexes);
    letter_close(&job->letter);
    free(job);
}

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

static struct transaction *next_transaction(void *context)
{
    struct work *work = context;
    while (!work->failed && work->at < work->letters->count) {
        const char *id = work->letters->entries[work->at++].id;
        struct job *job = memory_get(sizeof *job);
        struct outcome problem;
        if (letter_open(&work->run->queue, id, LETTER_WORK, false, &job->letter, &problem) !=
            LETTER_OPENED) {
            free(job);
            continue;
        }
        struct letter *letter = &job->letter;
        job->transaction = (struct transaction){.sender = &letter->envelope.sender,
                                                .envid = letter->envelope.envid,
                                                .ret = letter->envelope.ret,
                                                .fd = letter->fd,
                                                .start = letter->start,
                                                .size = letter->size,
                                                .eight_bit = letter->eight_bit,
                                                .not_8bit = letter->not_8bit};
        collect_recipients(work, job);
        if (job->transaction.count == 0 || !can_note(letter)) {
            free_job(job);
            continue;
        }
        job->next = work->jobs;
        work->jobs = job;
        return &job->transaction;
    }
    return NULL;
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

static void note_recipient(struct work *work, struct job *job, size_t i)
{
    const struct smtp_recipient *recipient = &job->transaction.recipients[i];
    const struct outcome *outcome = &recipient->outcome;
    enum progress progress = outcome->result == DONE    ? PROGRESS_DELIVERED
                             : outcome->result == NEVER ? PROGRESS_FAILED
                                                        : PROGRESS_PENDING;
    journal_mark(&job->letter, job->indexes[i], progress, outcome->status, outcome->reason);
    if (outcome->result == NEVER) /* bounce.c logs that */
        return;
    char *to = address_text(recipient->address);
    log_event(job->letter.id, outcome->result == DONE ? "delivered" : "deferred", "to", to, "via",
              work->hop->name, "status", outcome->status, "reply", outcome->reason, NULL);
    free(to);
}

/* A message that is through entirely leaves no journal: its file just goes. */
static void finish_transaction(void *context, struct transaction *transaction)
{
    struct work *work = context;
    struct job *job = take_job(work, transaction);
    for (size_t i = 0; i < transaction->count; i++)
        note_recipient(work, job, i);
    struct outcome outcome;
    if (letter_is_finished(&job->letter)) {
        outcome = letter_remove(&job->letter);
        if (!outcome_good(&outcome)) {
            outcome = journal_save(&job->letter); /* then it stays, but goes nowhere again */
        } else {
            log_event(job->letter.id, "removed", NULL);
            /* At once, not for all of the list: a power cut brings one message back, not many. */
            outcome = letter_sync(&work->run->queue);
        }
    } else {
        outcome = journal_save(&job->letter);
    }
    if (!outcome_good(&outcome)) {
        /* Going on would send what cannot be remembered as sent. */
        log_error("%s", outcome.reason);
        work->failed = true;
    }
    free_job(job);
}

/* ---- the connection ---- */

static struct outcome prepare(struct work *work, struct buffer *secret, struct smtp_hop *smtp)
{
    const struct smarthost *smarthost = work->hop->smarthost;
    *smtp = (struct smtp_hop){.hostname = work->run->settings.hostname,
                              .hosts = &smarthost->hosts,
                              .port = smarthost->port,
                              .tls = smarthost->tls,
                              .tls_trust = smarthost->tls_trust,
                              .tls_fingerprint = smarthost->tls_fingerprint,
                              .tls_certificate = smarthost->tls_certificate,
                              .tls_key = smarthost->tls_key,
                              .auth = smarthost->auth,
                              .user = smarthost->user,
                              .secret = secret,
                              .trace = work->run->verbose ? trace_line : NULL};
    if (!*smarthost->user && smarthost->auth != AUTH_EXTERNAL)
        smtp->auth = AUTH_OFF;
    if (smtp->auth == AUTH_OFF || smtp->auth == AUTH_EXTERNAL)
        return outcome_done();
    char *path = settings_credentials_path(&work->run->settings);
    struct outcome outcome = credentials_find(smarthost, path, secret);
    free(path);
    return outcome;
}

/* As many sessions as it takes, while each gets something done. */
static struct outcome deliver(struct work *work, const struct smtp_hop *smtp)
{
    struct smtp_source source = {
        .context = work, .next = next_transaction, .finish = finish_transaction};
    struct outcome outcome = outcome_done();
    unsigned broken = 0;
    while (broken < BROKEN_SESSIONS && !work->failed) {
        size_t transactions = 0, before = work->at;
        outcome = smtp_deliver(smtp, &source, &transactions);
        if (outcome_good(&outcome) || work->at == before)
            break;
        broken = transactions ? 0 : broken + 1;
    }
    return outcome;
}

int work(struct run *run, struct hop *hop, const struct list *letters)
{
    struct work work = {.run = run, .hop = hop, .letters = letters};
    struct buffer secret = {.limit = 65536};
    struct smtp_hop smtp;
    struct outcome outcome = prepare(&work, &secret, &smtp);
    if (outcome_good(&outcome))
        outcome = deliver(&work, &smtp);
    buffer_wipe(&secret);
    if (outcome_good(&outcome)) {
        hop_works(&run->queue, hop->name);
        return EX_OK;
    }
    log_error("%s cannot be used now: %s", hop->name, outcome.reason);
    hop_failed(&run->queue, hop->name, &outcome, settle_pause(run, hop->state.failures));
    return EX_TEMPFAIL;
}

/*
 * The messages of a worker's list, as transactions for the SMTP client (smtp.h): taken from the
 * queue one after the other, and what became of each recipient written down. No lock of a message
 * is waited for. No message is offered that the next hop's rate does not allow (limit.h).
 */
#ifndef RUN_JOBS_H
#define RUN_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/list.h"
#include "run/run.h"
#include "run/smtp.h"

/* Zero-initialise it, with the first three. */
struct jobs {
    struct run *run;
    struct hop *hop;
    const struct list *letters;
    struct signer *signer; /* of our own mail that leaves this machine; NULL: it goes unsigned */
    bool refused;          /* nothing more is offered to the next hop: its rate does not count */
    size_t at;             /* the next of the letters to look at */
    bool failed;           /* a disk says no: stop */
    bool unsynced;         /* a message was taken out, and a power cut could bring it back */
    bool full;             /* the rate is used up: stop, for so many milliseconds */
    int64_t full_ms;
    struct parcel *parcel; /* the message before, which may have recipients left */
    struct job *out;       /* handed out and not finished */
};

/* The source of transactions, as struct smtp_source has it; the context is a struct jobs. */
struct transaction *jobs_next(void *jobs, bool wait);
struct outcome jobs_again(void *jobs, bool wait);
void jobs_progress(void *jobs, struct transaction *transaction);
void jobs_finish(void *jobs, struct transaction *transaction);
void jobs_sync(void *jobs);

/* Whether one more message may go now, or very soon. Else .full or .failed is set. */
bool jobs_may_go(struct jobs *jobs);
/* The message at hand is left, whatever recipients it has. */
void jobs_leave(struct jobs *jobs);

#endif

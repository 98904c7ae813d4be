/*
 * What one queue run works with. The coordinator (coordinator.c) visits each message that is due
 * (visit.c): it expands aliases, fills mailboxes (mailbox.c), and collects what goes to a next hop;
 * workers, one process a connection, deliver that (worker.c, smtp.h); then each message is settled
 * (settle.c): taken out, bounced (bounce.c) or given its next time.
 */
#ifndef RUN_RUN_H
#define RUN_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/settings.h"
#include "queue/hop.h"
#include "queue/letter.h"
#include "queue/list.h"
#include "queue/queue.h"
#include "queue/runner.h"
#include "route/expand.h"

/* A next hop and the messages that wait for a worker to take them there. */
struct hop {
    const char *name; /* in log and hops/: the smarthost's name, or "smarthost" */
    const struct smarthost *smarthost;
    struct list waiting; /* ids for the next worker */
    size_t workers;      /* at work now */
    int64_t started;     /* when the last of them was, clock_ms() */
    struct hop_state state;
};

struct worker {
    pid_t pid;
    struct hop *hop;
    struct list letters; /* what it was given */
};

struct run {
    const char *config; /* the settings file when it is not the installed one; NULL */
    struct settings settings;
    struct queue queue;
    struct expander expander;
    struct aliases *aliases;
    struct outcome aliases_problem; /* not DONE: mail for local names waits */
    int lock;                       /* of the one runner; -1 */
    struct run_trace trace;
    struct hop *hops; /* one for each smarthost */
    size_t hop_count;
    struct worker *workers;
    size_t worker_count;
    struct texts busy_mailboxes; /* users whose mailbox could not be written in this run */
    uint64_t longest_wait;       /* of [queue] retry, in seconds */
    bool verbose;
    bool gathers; /* in the background: more mail may follow at once, wait a moment for it */
    bool insist;  /* due times and pauses of next hops do not count */
    bool unseen;  /* a message was not visited: what a dead run left may be about it */
    bool again;   /* there is something new in the queue: look once more */
};

/* ---- coordinator.c ---- */

/* Everything that is due, until nothing is left; at once done when another runner is at work. */
struct outcome run_queue(struct run *run);
/* One message, now. */
struct outcome run_letter(struct run *run, const char *id);

/* ---- visit.c ---- */

/* Opens a message and does all that needs no next hop. hops: which it waits for is added to. */
void visit(struct run *run, const char *id, enum letter_access access);
/* The next hop of a recipient that is to leave this machine; NULL: there is none. */
struct hop *visit_hop(struct run *run, const struct letter *letter, size_t index);

/* ---- mailbox.c ---- */

/* Puts the message into a user's mailbox. */
struct outcome mailbox_deliver(struct run *run, const struct letter *letter, const char *user,
                               const struct address *recipient);

/* ---- worker.c ---- */

/* Delivers these messages to the next hop, as far as they go there; returns an exit status. */
int work(struct run *run, struct hop *hop, const struct list *letters);

/* ---- settle.c ---- */

/*
 * What is left of a locked message after its deliveries: gives up what is too old, tells the
 * sender, takes it out of the queue or sets when it is due next. attempted: this was a round of
 * delivery.
 */
void settle(struct run *run, struct letter *letter, bool attempted);
/* How long a next hop that has failed so often is left alone, in seconds. */
uint64_t settle_pause(const struct run *run, unsigned failures);

/* ---- bounce.c ---- */

/*
 * Tells the sender of all recipients that failed for good (RFC 3464), once, and marks them as
 * told. DONE when the report is in the queue or none is due.
 */
struct outcome bounce(struct run *run, struct letter *letter);

#endif

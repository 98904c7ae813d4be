/*
 * What one queue run works with. The coordinator (coordinator.c) visits each message that is due
 * (visit.c): it expands aliases, fills mailboxes (mailbox.c), and collects what goes to a next hop;
 * workers, one process a connection, deliver that (worker.c, jobs.h, smtp.h) or run commands of
 * aliases (alias_command.h); then each message is settled (settle.c): taken out, reported on
 * (report.h) or given its next time (retry.h).
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
#include "route/route.h"

/* A next hop and the messages that wait for a worker to take them there. */
struct hop {
    char *name; /* in log and hops/: "smarthost", the smarthost's name, "mx example.org" */
    struct next_hop next;
    char *domain;  /* of next, kept here */
    bool commands; /* no next hop: messages that wait for commands of aliases (alias_command.h) */
    struct list waiting; /* ids for the next worker */
    size_t workers;      /* at work now */
    int64_t started;     /* when the last of them was, clock_ms() */
    struct hop_state state;
};

struct worker {
    pid_t pid;
    struct hop *hop;
    struct list letters; /* what it was given */
    time_t began;
};

/* A user's mailbox, or an alias's file, that could not be written lately. */
struct busy_mailbox {
    char *place;
    int64_t since; /* clock_ms() */
};

struct run {
    const char *config; /* the settings file when it is not the installed one; NULL */
    struct settings settings;
    time_t changed; /* the settings or the passwords, or their modes: the last time */
    struct buffer settings_known, aliases_known; /* how their files looked (tables.c) */
    struct queue queue;
    struct expander expander;
    struct aliases *aliases;
    struct outcome aliases_problem; /* not DONE: mail for local names waits */
    int lock;                       /* of the one runner; -1 */
    struct run_trace trace;
    struct hop **hops; /* those that were needed so far */
    size_t hop_count;
    struct worker *workers;
    size_t worker_count;
    size_t old_workers; /* that finish what they have in hand, by settings that have changed */
    struct busy_mailbox *busy;
    size_t busy_count;
    pid_t coordinator; /* the process whose children the workers are; 0: there are none */
    bool verbose;
    bool gathers; /* in the background: more mail may follow at once, wait a moment for it */
    bool insist;  /* due times and pauses of next hops do not count */
    bool unseen;  /* a message was not visited, or put off: what a dead run left may be about it */
    bool again;   /* there is something new in the queue: look once more */
    struct list undated;    /* whose next time could not be written: not looked at until then */
    bool ending;            /* we were told to end: nothing is begun any more */
    bool stale;             /* the settings have changed: the run is to begin anew by them */
    struct outcome problem; /* not DONE: what was due and is not seen to is left to the next run */
    /* Called now and then while messages are on their way; NULL: nobody watches. */
    void (*watch)(void *watcher);
    void *watcher;
    struct list reports; /* ids of what was told to senders in this run */
};

/* ---- coordinator.c ---- */

/* Everything that is due, until nothing is left, or until run->stale; at once done when another
 * runner is at work. */
struct outcome run_queue(struct run *run);
/*
 * These messages, now, whatever due times and pauses of next hops say, and while another runner is
 * at work: whose a message is at a moment, its lock decides. And what their senders are told.
 */
void run_letters(struct run *run, const struct list *ids);

/* In a worker: whether it is to begin nothing more, as we are to end, or whoever started it has
 * ended: another run may be at work by now, and knows nothing of it. */
bool run_is_over(const struct run *run);

/* ---- visit.c ---- */

/*
 * Opens a message, unless it is held, and does all that needs no next hop; those that it waits for
 * have it in their lists then. access: LETTER_WORK, or LETTER_WAIT for one that another process may
 * have. OPENED: it was visited, or is held.
 */
enum letter_found visit(struct run *run, const char *id, enum letter_access access);

/* ---- hops.c ---- */

/* Which way a recipient goes. A child's mailbox is local. */
void hops_way(const struct run *run, const struct letter *letter, size_t index,
              struct next_hop *next);
/*
 * The next hop of a recipient that is to leave this machine, or the place where messages wait for
 * commands of aliases; NULL: it is delivered in the visit.
 */
struct hop *hops_find(struct run *run, const struct letter *letter, size_t index);
void hops_free(struct run *run);

/* ---- mailbox.c ---- */

/* Puts the message for one of its recipients into a user's mailbox. */
struct outcome mailbox_deliver(struct run *run, const struct letter *letter, size_t index,
                               const char *user);
/* The same into the file that the recipient is. */
struct outcome file_deliver(struct run *run, const struct letter *letter, size_t index);

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

#endif

/*
 * One message in the queue, opened: its envelope, the state of every recipient, and the lock while
 * it is open for work.
 */
#ifndef QUEUE_LETTER_H
#define QUEUE_LETTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/outcome.h"
#include "mail/envelope.h"
#include "queue/queue.h"

/* The file time of a held message's journal: 2400-01-01. */
#define LETTER_HELD_UNTIL ((time_t)13569465600)

/* What became of a recipient so far. All but PENDING are final. */
enum progress {
    PROGRESS_PENDING,
    PROGRESS_EXPANDED,  /* its children took over */
    PROGRESS_DELIVERED, /* it is where mail ends: in a mailbox */
    PROGRESS_FAILED,    /* for good; the sender has not been told yet */
    PROGRESS_BOUNCED,   /* for good; the sender has been told, or must not be */
    PROGRESS_RELAYED,   /* the next hop has it, and does not report successes */
    PROGRESS_PASSED     /* the next hop has it, and the duty to report with it (RFC 3461 5.2) */
};

enum letter_kind {
    LETTER_TO_ROUTE,   /* as submitted: aliases and routes apply */
    LETTER_TO_MAILBOX, /* a child: a user's mailbox, final */
    LETTER_TO_REMOTE,  /* a child: a remote address, no more aliases */
    LETTER_TO_FILE,    /* a child: a file that an alias names */
    LETTER_TO_COMMAND  /* a child: a command that an alias names */
};

struct letter_recipient {
    struct address address; /* FILE and COMMAND: that of the alias */
    enum letter_kind kind;
    char *text; /* FILE: its path; COMMAND: as the alias has it, without '|'; else NULL */
    struct address sender; /* of a list's members, its owner; null: the envelope's */
    unsigned notify;
    char *orcpt;
    ssize_t parent; /* index of whose child it is; -1: of the envelope */
    enum progress progress;
    time_t when; /* of its last event; 0: none yet */
    char status[12];
    char *reason;    /* last thing heard about it; NULL: none */
    bool several;    /* EXPANDED into more or less than one child: they report no success */
    bool late;       /* the sender is to hear of its delay */
    unsigned chosen; /* enum notify, or-ed: the reports that it is to stand in, see journal.h */
    unsigned told;   /* likewise: the reports that are made */
};

struct journal;

struct letter {
    char id[QUEUE_ID_SIZE];
    const struct queue *queue;
    struct envelope envelope;            /* its recipients have moved into the list below */
    struct letter_recipient *recipients; /* the envelope's first, then children in journal order */
    size_t count, capacity;
    uint64_t size;           /* bytes of message */
    off_t start;             /* where the message begins in the file */
    bool eight_bit;          /* has bytes over 127 */
    bool not_8bit;           /* has NUL or lines over 998 bytes */
    unsigned tries;          /* rounds of delivery that left something pending */
    bool held;               /* until someone releases it */
    bool by_route;           /* held, but by its route alone */
    bool released;           /* someone did: routes that hold do not count any more */
    int fd;                  /* the spool file, locked if for work */
    struct journal *journal; /* what is to be written; see journal.h */
};

enum letter_access {
    LETTER_GLANCE, /* only reading, no lock, and there was no journal when the queue was listed */
    LETTER_LOOK,   /* only reading, no lock */
    LETTER_WORK,   /* locked; BUSY when another process has it */
    LETTER_WAIT    /* locked; waits for another process */
};

enum letter_found { LETTER_OPENED, LETTER_BUSY, LETTER_GONE, LETTER_BROKEN };

/*
 * Opens a message. verify: the checksum of the whole file is compared as well. BROKEN: it cannot be
 * what was written; for WORK and WAIT it has then been set aside into corrupt/ and logged.
 * *problem says why it is not OPENED (LATER when it could not be read at all: BROKEN is not set
 * aside then). The caller closes an opened letter.
 */
enum letter_found letter_open(const struct queue *queue, const char *id, enum letter_access access,
                              bool verify, struct letter *letter, struct outcome *problem);
void letter_close(struct letter *letter);

/* Whether nothing is left to do for any recipient: what became of each is final, and its sender
 * knows what he has to know. */
bool letter_is_finished(const struct letter *letter);
/* Whether it waits until someone releases it: held, or to be held from its first visit on. */
bool letter_is_held(const struct letter *letter);
/* Whether something is left to do for the recipient. */
bool letter_waits_for(const struct letter_recipient *recipient);
/* The last thing heard about one that it waits for, or what holds it; NULL: nothing yet. */
const char *letter_reason(const struct letter *letter);
/* The address of the envelope that led to this recipient. */
const struct address *letter_original(const struct letter *letter, size_t index);
/* Whether it is where mail ends on this machine: a child for a mailbox, a file or a command. */
bool letter_ends_here(const struct letter_recipient *recipient);
/* The reverse-path with which mail for this recipient goes on. */
const struct address *letter_sender(const struct letter *letter, size_t index);
/* Whether a report of this kind (one of NOTIFY_SUCCESS, FAILURE, DELAY) on this recipient is due.
 */
bool letter_owes(const struct letter *letter, size_t index, enum notify kind);
/* Whether it is due and the next report will be about this recipient; see journal_choose. */
bool letter_is_chosen(const struct letter *letter, size_t index, enum notify kind);
/*
 * Takes a message out of the queue: first its file, for good, then its journal, if it has one: a
 * message that comes back without it, after a power cut, would be sent twice. One without a journal
 * is gone for good when the caller has synced the folder, after a batch (letter_sync).
 */
struct outcome letter_remove(struct letter *letter);
struct outcome letter_sync(const struct queue *queue);
/* Removes what has no message: journals, and drafts whose writer is gone. */
void letter_sweep(const struct queue *queue);

#endif

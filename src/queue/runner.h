/*
 * Getting the queue run: the lock of the one runner, the mark that a submitter leaves for it, the
 * traces of runs that did not end well, and the start of a runner.
 */
#ifndef QUEUE_RUNNER_H
#define QUEUE_RUNNER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/outcome.h"
#include "queue/list.h"
#include "queue/queue.h"

/* The mark, a file in spool/. */
#define RUNNER_MARK ".wake"

/* ---- for submitters ---- */

/* After a commit, for those who may start no program: leaves the mark alone. */
void runner_leave_mark(const struct queue *queue);
/* Whether a runner is at work. */
bool runner_is_at_work(const struct queue *queue);

/*
 * After a commit: leaves the mark, and starts a runner in the background unless one is at work.
 * config: the settings file in use when it is not the installed one, else NULL. Reports nothing:
 * the message is safe, and the next queue run takes it; what goes wrong is logged.
 */
void runner_wake(const struct queue *queue, const char *config);
/*
 * Runs postrider-run in the foreground with these arguments, such as {"--id", ID, NULL}; its
 * standard output and standard error are ours when shared. Its exit status.
 */
int runner_run(const char *config, const char *const arguments[], bool shared);
/* The same, not waited for: the process id, or -1 when there is none, which is logged, and said on
 * standard error when shared. */
pid_t runner_start(const char *config, const char *const arguments[], bool shared);
/* The same, waited for, with these messages' ids on its standard input, one a line. Shared. */
int runner_order(const char *config, const char *const arguments[], const struct list *ids);

/* ---- for the runner ---- */

/*
 * Becomes the one runner of the queue until the process ends or runner_unlock. *fd is -1 when
 * another one is at work.
 */
struct outcome runner_lock(const struct queue *queue, int *fd);
void runner_unlock(int *fd);
/* Takes the submitters' mark away; whether there was one. Everything committed before it was left
 * is in the folder then. */
bool runner_take_mark(const struct queue *queue);
/* Whether there is one. Only who holds the lock may take it: it may be meant for the holder. */
bool runner_has_mark(const struct queue *queue);

/* A run that puts mail into mailboxes leaves its trace until it ended well. */
struct run_trace {
    char id[QUEUE_ID_SIZE]; /* "" until it is needed */
    int fd;
    bool careful;     /* a run was cut off: a mailbox may have a message already */
    struct list dead; /* the traces of such runs, as far as they were there at the last look */
};

#define RUN_TRACE_NONE ((struct run_trace){.fd = -1})

/* Looks for traces of runs that were cut off, before the messages that they may be about. */
void runner_read_traces(const struct queue *queue, struct run_trace *trace);
/* The same with a message locked: only whether to be careful is told. What died since the last look
 * may be about messages that nobody has looked at yet. */
void runner_see_deaths(const struct queue *queue, struct run_trace *trace);
/* Leaves ours, on stable storage, before the first delivery into a mailbox. */
struct outcome runner_leave_trace(const struct queue *queue, struct run_trace *trace);
/* Its trace stays: a mailbox may have what no journal says, as one could not be written, or a
 * helper was killed. The next delivery leaves a new one. */
void runner_keep_trace(struct run_trace *trace);
/* The run is over. resolved: it also settled everything that the cut off ones had left open. */
void runner_clear_traces(const struct queue *queue, struct run_trace *trace, bool resolved);

#endif

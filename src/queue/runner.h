/*
 * Getting the queue run: the lock of the one runner, the mark that a submitter leaves, and the
 * start of a runner process.
 */
#ifndef QUEUE_RUNNER_H
#define QUEUE_RUNNER_H

#include <stdbool.h>

#include "base/outcome.h"
#include "base/text.h"
#include "queue/queue.h"

/*
 * For submitters, after a commit: leaves the mark, and starts a runner in the background unless
 * one is at work. config: the settings file in use when it is not the installed one, else NULL.
 * Never reports a failure: the message is safe, and the next queue run takes it; logs it.
 */
void runner_wake(const struct queue *queue, const char *config);

/*
 * Runs postrider-run in the foreground with these arguments (such as {"--id", ID}), standard
 * output and standard error shared with it when share is set, and waits. The exit status.
 */
int runner_run(const char *config, char *const arguments[], bool share);

#endif

/* What is in the queue, in the layout that people know. */
#ifndef SENDMAIL_MAILQ_H
#define SENDMAIL_MAILQ_H

#include <stdbool.h>

#include "base/outcome.h"
#include "sendmail/office.h"

/*
 * Prints the queue on standard output: everything for whoever runs it, else the caller's own
 * messages. verbose: tries and the next one as well. Opens the office's queue.
 */
struct outcome mailq_run(struct office *office, bool verbose);

#endif

/* What is in the queue, in the layout that people know. */
#ifndef SENDMAIL_MAILQ_H
#define SENDMAIL_MAILQ_H

#include <stdbool.h>

#include "base/outcome.h"
#include "sendmail/office.h"
#include "sendmail/selection.h"

/*
 * Prints the selected messages on standard output, as far as they are the caller's business.
 * verbose: tries and the next one as well. Opens the office's queue.
 */
struct outcome mailq_run(struct office *office, const struct selection *selection, bool verbose);

#endif

/* One queue run now. */
#ifndef SENDMAIL_FLUSH_H
#define SENDMAIL_FLUSH_H

#include <stdbool.h>

#include "base/outcome.h"
#include "sendmail/office.h"

/*
 * Runs the queue in the foreground. verbose shows every dialogue, and is for those alone whose
 * queue it is (EX_NOPERM). Not good: the runner's exit status. Opens the office's queue.
 */
struct outcome flush_run(struct office *office, bool verbose);

#endif

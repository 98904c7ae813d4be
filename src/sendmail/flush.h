/* One queue run now. */
#ifndef SENDMAIL_FLUSH_H
#define SENDMAIL_FLUSH_H

#include <stdbool.h>

#include "base/outcome.h"
#include "sendmail/office.h"

/*
 * Runs the queue in the foreground. verbose shows every dialogue, and is for those alone whose
 * queue it is (EX_NOPERM); bar shows how far the run is on a terminal. Not good: the runner's exit
 * status. Opens the office's queue.
 */
struct outcome flush_run(struct office *office, bool verbose, bool bar);
/* postrider flush; argv begins with the verb. */
struct outcome flush_verb(int argc, char *const argv[]);

#endif

/* postrider queue show: one message, with everything that is known of it. */
#ifndef SENDMAIL_SHOW_H
#define SENDMAIL_SHOW_H

#include <stdbool.h>

#include "base/outcome.h"
#include "sendmail/office.h"
#include "sendmail/selection.h"

/*
 * Prints the selected messages: the envelope, the state of each recipient, header and body as they
 * are stored. On a terminal nothing in them can drive it. json: an object for each. Opens the
 * office's queue.
 */
struct outcome show_run(struct office *office, const struct selection *selection, bool json);

#endif

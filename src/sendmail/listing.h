/* postrider queue list: what waits, in columns made to be read, or as JSON Lines. */
#ifndef SENDMAIL_LISTING_H
#define SENDMAIL_LISTING_H

#include <stdbool.h>

#include "base/outcome.h"
#include "sendmail/office.h"
#include "sendmail/selection.h"

/* Prints the selected messages on standard output; opens the office's queue. */
struct outcome listing_run(struct office *office, const struct selection *selection, bool json);

#endif

/* What happened to a message, from the log: from its submission to what its sender was told. */
#ifndef SENDMAIL_STORY_H
#define SENDMAIL_STORY_H

#include <stdbool.h>

#include "base/outcome.h"
#include "base/text.h"
#include "sendmail/office.h"

/*
 * Tells the story of each of these ids, and of the latest messages from or to each of these
 * addresses, from the first-th item on, reports on them included. json: an object for each event.
 * The log is read with the caller's own rights: EX_NOPERM when he has none to any. EX_NOINPUT: it
 * says nothing of them.
 */
struct outcome story_run(struct office *office, const struct texts *items, size_t first, bool json);

#endif

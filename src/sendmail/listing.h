/* postrider queue list: what waits, in columns made to be read, or as JSON Lines. */
#ifndef SENDMAIL_LISTING_H
#define SENDMAIL_LISTING_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "sendmail/office.h"
#include "sendmail/selection.h"

/*
 * A message as an object, begun behind the buffer, without its closing brace. whole: with what only
 * a look at one message is about.
 */
void listing_put(struct buffer *json, const struct selected *selected, bool whole);
/* Why a message waits, in words that belong to the letter or to nobody. due: 0 before it was tried.
 */
const char *listing_reason(const struct letter *letter, time_t due);
/* Prints the selected messages on standard output; opens the office's queue. */
struct outcome listing_run(struct office *office, const struct selection *selection, bool json);

#endif

/*
 * All milters of [filter], in turn: at each stage the next one is asked when the one before has
 * nothing against it, and sees what that one made of the message.
 */
#ifndef FILTER_MILTERS_H
#define FILTER_MILTERS_H

#include <stdbool.h>

#include "base/outcome.h"
#include "config/settings.h"
#include "filter/client.h"
#include "filter/held.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "net/reply.h"

struct milters;

/* NULL when there are none, which is fine in all of these. Connects to nobody yet. */
struct milters *milters_open(const struct settings *settings);
void milters_close(struct milters *milters);

/* Each stage: DONE, or NEVER and LATER with words for the log. */
struct outcome milters_sender(struct milters *milters, const struct filter_client *client,
                              const struct envelope *envelope);
struct outcome milters_recipient(struct milters *milters, const struct filter_client *client,
                                 const struct envelope *envelope, const struct address *recipient);
struct outcome milters_data(struct milters *milters, const struct filter_client *client,
                            const struct envelope *envelope);
/* Whether the message has to be held. */
bool milters_want_message(const struct milters *milters);
/* *discard: one of them wants it thrown away, or has left it without a recipient. */
struct outcome milters_message(struct milters *milters, const struct filter_client *client,
                               struct held *held, bool *discard);
void milters_reset(struct milters *milters);
/* The whole reply that goes with the last outcome that was not DONE; NULL: the usual one. */
const struct reply *milters_reply(const struct milters *milters);

#endif

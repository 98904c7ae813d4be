/*
 * What the listener asks at each stage of a transaction before it takes a message: by name, in the
 * DNS, of a memory of its own, of other programs. Where nothing is configured there is no filter,
 * and nothing of this is run.
 */
#ifndef FILTER_FILTER_H
#define FILTER_FILTER_H

#include <stdbool.h>

#include "base/outcome.h"
#include "config/settings.h"
#include "filter/client.h"
#include "filter/held.h"
#include "filter/lists.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "net/reply.h"
#include "queue/queue.h"

struct filter;

/* NULL when nothing is to be asked. Before the session is locked in. lists: see lists.h. */
struct filter *filter_open(const struct settings *settings, const struct lists *lists,
                           const struct queue *queue);
/* NULL is fine, here and below. */
void filter_close(struct filter *filter);

/*
 * Each stage: DONE, or NEVER and LATER with the status and the words for the reply. A NEVER says
 * which policy, and whom to write to.
 */
struct outcome filter_sender(struct filter *filter, const struct filter_client *client,
                             const struct envelope *envelope);
struct outcome filter_recipient(struct filter *filter, const struct filter_client *client,
                                const struct envelope *envelope, const struct address *recipient);
/* Before the data come. */
struct outcome filter_data(struct filter *filter, const struct filter_client *client,
                           const struct envelope *envelope);
/* Puts what was found out on top of the header; takes out what others claim in our name (RFC 8601
 * 5). */
void filter_mark(struct filter *filter, const struct filter_client *client, struct header *header);
/* Where our Received field belongs: below what filter_mark has put there (RFC 7208 9.1). */
size_t filter_place_received(const struct filter *filter, const struct header *header);
/* Whether the message itself has to be held and looked at. */
bool filter_wants_message(const struct filter *filter);
/* Where it is held until then, as long as the filter is open. */
struct held_room *filter_room(struct filter *filter);
/* Looks at it, and changes it. *discard: it is taken, and thrown away. */
struct outcome filter_message(struct filter *filter, const struct filter_client *client,
                              struct held *held, bool *discard);
/* The transaction is over, whatever came of it. */
void filter_reset(struct filter *filter);
/* The reply code that goes with the last refusal of a recipient, if a filter has chosen one; 0: the
 * usual. */
unsigned filter_code(const struct filter *filter);
/* The whole reply that goes with the last refusal, if a filter has chosen one, until the next
 * stage; NULL: the usual one. */
const struct reply *filter_reply(const struct filter *filter);

#endif

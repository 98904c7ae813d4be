/*
 * Putting a message into the queue: open, put, commit. Poisoned by its first error; it answers
 * once, at the end. Until the commit it has no name, or where files need one, one with a dot before
 * it, which a queue run takes away when the writer is gone.
 */
#ifndef QUEUE_DRAFT_H
#define QUEUE_DRAFT_H

#include <stddef.h>
#include <stdint.h>

#include "base/outcome.h"
#include "mail/envelope.h"
#include "queue/queue.h"

struct draft;

/*
 * Begins a message. The envelope is written at once and not kept; id NULL makes a new one. limit is
 * the most bytes of message (0: none). Never fails here: commit tells.
 */
struct draft *draft_open(const struct queue *queue, const struct envelope *envelope, const char *id,
                         uint64_t limit);
const char *draft_id(const struct draft *draft);
/* Bytes of the message, lines ending in LF. Returns false when going on is of no use. */
bool draft_put(struct draft *draft, const void *data, size_t length);
/* Bytes of message so far. */
uint64_t draft_size(const struct draft *draft);
/*
 * On stable storage and visible when DONE; else gone, but perhaps for an empty file, which is no
 * message: EX_TEMPFAIL, EX_IOERR, EX_CANTCREAT, or NEVER (5.3.4, EX_DATAERR) when over the limit.
 * Frees the draft.
 * *existed, if not NULL: a message with the given id was there already, which is DONE.
 */
struct outcome draft_commit(struct draft *draft, bool *existed);
/* Forgets it. NULL is allowed. */
void draft_drop(struct draft *draft);

#endif

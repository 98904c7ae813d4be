/*
 * How a letter's recipients change in memory, be it that something happens to them or that the
 * journal is read. Knows nothing of its form; for journal.c.
 */
#ifndef QUEUE_RECIPIENTS_H
#define QUEUE_RECIPIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "mail/envelope.h"
#include "queue/letter.h"

/* Whether the letter has one like this child already, apart from its parent. A file or a command is
 * the same by whatever alias it is reached. */
bool recipients_have(const struct letter *letter, size_t parent,
                     const struct letter_recipient *child);
/* Adds a child; what counts of it is copied, see journal_add_child. */
void recipients_add(struct letter *letter, size_t parent, const struct letter_recipient *child);
/* The request for news of success goes to the only child, or stays with the parent; first: the
 * least index that the children have. */
void recipients_share_request(struct letter *letter, size_t parent, size_t first);
/* What became of one; a reason that is NULL or empty leaves the one before. */
void recipients_mark(struct letter *letter, size_t index, enum progress progress, time_t when,
                     const char *status, const char *reason);
/* All that are owed a report of this kind are to stand in the next one. */
void recipients_choose(struct letter *letter, enum notify kind);
/* Those that were chosen have had it. Failed ones become BOUNCED. */
void recipients_set_told(struct letter *letter, enum notify kind);

#endif

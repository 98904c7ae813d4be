/*
 * journal/<id>: what happened to a message since it was written, one line an event, appended. Its
 * file time is when the message is due next. A message of one recipient that goes through at the
 * first try never has one. Lines, each ending in " ." so that a torn one is known:
 *
 *   add PARENT mailbox|remote <address> [from <owner>] .            a child of that recipient
 *   add PARENT file|command <address> [from <owner>] to TEXT .      likewise
 *   expanded TIME INDEX FIRST .               its children are complete, from index FIRST on
 *   delivered|relayed|passed|failed|bounced|deferred TIME INDEX STATUS REASON .
 *   late TIME INDEX .                         the sender is to hear that it waits
 *   report TIME success|failure|delay .       the next report is chosen: whoever is owed one now
 *   told TIME success|failure|delay .         that report is in the queue, or not wanted
 *   tried TIME .                              a round of delivery that left something pending
 *   hold TIME .        release TIME .
 *   hold TIME route .                         likewise, by a route that holds
 *
 * INDEX counts the recipients: those of the envelope first, then the children as added.
 * A line that does not parse is ignored: it is torn, and what it would have said is done again.
 *
 * A report is made between its two lines. Whom it is about is what the lines before "report" say,
 * so that whoever goes on after a crash makes the same one again, under the same id, whatever
 * happened to other recipients meanwhile. One line says that it is made, for all of them.
 */
#ifndef QUEUE_JOURNAL_H
#define QUEUE_JOURNAL_H

#include <stdbool.h>
#include <time.h>

#include "base/outcome.h"
#include "mail/address.h"
#include "queue/letter.h"

/* Brings what the journal says into the letter; for letter_open. LATER when it cannot be read. */
struct outcome journal_read(struct letter *letter);
void journal_free(struct letter *letter);

/*
 * Adds a child to a recipient, unless the letter has one like it already. Its kind, address, text
 * and sender count, and are copied. One with a sender of its own, the owner of a list, has a new
 * envelope: what the first sender asked to be told of ends there (RFC 3461 5.2.7.3). Nothing is
 * written before journal_save.
 */
void journal_add_child(struct letter *letter, size_t parent, const struct letter_recipient *child);
/*
 * Says that the children of a recipient are complete; first: letter->count before the first of
 * them. A success is reported of an only child, unless it has another sender, else of the parent:
 * as "expanded", and of no child (RFC 3461 5.2.7).
 */
void journal_expanded(struct letter *letter, size_t parent, size_t first);
/* Notes what became of a recipient, in memory and for journal_save. Reason NULL: none. */
void journal_mark(struct letter *letter, size_t index, enum progress progress, const char *status,
                  const char *reason);
/* Notes that the sender is to hear of the recipient's delay. */
void journal_late(struct letter *letter, size_t index);
/*
 * Chooses whom the next report of this kind is about: those of a report that was begun before a
 * crash, else all that are owed one. How many; *first is the first of them. journal_save comes
 * before the report is made.
 */
size_t journal_choose(struct letter *letter, enum notify kind, size_t *first);
/* Notes that the chosen ones' report is made. Failed ones become BOUNCED. */
void journal_told(struct letter *letter, enum notify kind);
/* Notes a round of delivery that left something pending. */
void journal_tried(struct letter *letter);
/* Holds it until someone releases it; releases it, and routes that hold do not count any more. */
void journal_hold(struct letter *letter);
void journal_release(struct letter *letter);
/* Holds it as its route says: whoever may ask for what the route keeps, ends that, too. */
void journal_hold_by_route(struct letter *letter);

/*
 * Writes what was noted, in one write, and syncs it if anything in it may not be lost: children,
 * final states, holds. DONE when there was nothing to write; after a sync that failed never again.
 */
struct outcome journal_save(struct letter *letter);
/*
 * Sets room on the disk aside for what may become of every recipient; makes the journal if need be.
 * For before what cannot be undone: that a next hop has it. Where the file system sets nothing
 * aside, it is DONE all the same.
 */
struct outcome journal_reserve(struct letter *letter);
/* When the message is due next; makes the journal if need be. */
struct outcome journal_set_due(struct letter *letter, time_t due);

#endif

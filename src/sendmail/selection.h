/*
 * Which messages of the queue a command is about, and a walk over them. Whose a message is, the
 * owner of its file says: who is not the master of the queue sees his own alone, and a stranger's
 * is not even opened.
 */
#ifndef SENDMAIL_SELECTION_H
#define SENDMAIL_SELECTION_H

#include <stdbool.h>

#include "base/outcome.h"
#include "base/text.h"
#include "queue/letter.h"
#include "queue/list.h"
#include "sendmail/office.h"
#include "sendmail/options.h"

/* Filters of a kind are alternatives, and so are the domains and the senders; a message has to
 * satisfy each kind that is there. All empty: every message. */
struct selection {
    const struct texts *ids; /* these and no others, from the .first_id-th on; NULL: by the rest */
    size_t first_id;
    const struct texts *domains; /* of pending recipients: "example.org", "*.example.org" */
    const struct texts *senders; /* addresses or "@domain"; "<>" for the null path */
    const struct filter *filters;
    size_t filter_count;
    /* Called for an id that is not there or not the caller's; NULL: standard error has it. */
    void (*refuse)(const char *id, const char *why);
};

/* Whether ids say which messages it means. */
bool selection_is_named(const struct selection *selection);
/* Whether it means every message. */
bool selection_is_all(const struct selection *selection);

/* What is known of one message. */
struct selected {
    const struct list_entry *entry;
    const struct letter *letter; /* only looked at, no lock; NULL when it could not be read */
    const char *problem;         /* why not */
};

/*
 * Calls take for each message of the selection, by age. A given id that is not there, or not the
 * caller's, is said by .refuse, and the outcome is EX_NOINPUT or EX_NOPERM in the end, with
 * no more words. read: messages are opened even if nothing of the selection asks for that.
 * EX_USAGE: a domain or an address is none.
 */
struct outcome selection_walk(struct office *office, const struct selection *selection, bool read,
                              void (*take)(void *context, const struct selected *selected),
                              void *context);

#endif

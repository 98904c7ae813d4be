/*
 * Where an address goes: local names through the aliases down to mailboxes and remote addresses.
 * Pure over its tables: settings, aliases and a question whether a user exists.
 */
#ifndef ROUTE_EXPAND_H
#define ROUTE_EXPAND_H

#include <stdbool.h>

#include "base/outcome.h"
#include "base/text.h"
#include "mail/address.h"
#include "route/aliases.h"

enum target_kind { TARGET_MAILBOX, TARGET_REMOTE, TARGET_ERROR };

struct target {
    enum target_kind kind;
    struct address address; /* MAILBOX: .local is the user's name (from the user table), .domain
                               NULL; REMOTE: the recipient; ERROR: what could not be resolved */
    struct outcome outcome; /* ERROR: why, LATER or NEVER */
    bool aliased;           /* an alias or a fall-back was used: not the recipient itself */
};

struct targets {
    struct target *items;
    size_t count;
    size_t capacity;
};

struct expander {
    const struct texts *local_domains; /* patterns */
    const char *hostname;              /* local too, always */
    const struct aliases *aliases;
    /* Whether mail can be put into a mailbox of this name. Gives the name as the user table spells
     * it, which the caller frees. DONE: yes; NEVER (5.1.1): no such user; LATER: cannot tell now.
     */
    struct outcome (*find_user)(void *context, const char *name, char **canonical);
    void *context;
};

bool domain_is_local(const struct expander *expander, const char *domain);

/* Every final target of a recipient, each once; at least one (maybe an ERROR). */
void expand(const struct expander *expander, const struct address *recipient,
            struct targets *targets);
void targets_free(struct targets *targets);

#endif

/*
 * Where an address goes: local names through the aliases down to mailboxes and remote addresses.
 * Pure over its tables: settings, aliases and a question whether a user exists.
 *
 * An address is looked up in this order; the first key that exists counts, in all files:
 *   1. with a domain, local or not:   user+detail@domain, user@domain, @domain
 *   2. without one, or a local one:   user+detail, user
 *   3. then a mailbox:                user+detail, user
 *   4. when nothing is said:          mailer-daemon goes to postmaster, postmaster to root
 * An address in a domain that is not local, and has no key, is remote. So, as with sendmail's
 * virtusertable and Postfix's virtual aliases, @domain catches everything in its domain that has
 * no key with that domain, users with a mailbox among them: "joe@domain: joe" exempts joe. In a
 * local domain without @domain, users and plain aliases get their mail there as well.
 *
 * What an alias leads to is looked up anew, with these ends:
 *   - "\joe" is a mailbox or a remote address at once;
 *   - a target that finds the very alias that it stands in goes on behind that step: "joe: joe,
 *     x@y" reaches joe's mailbox, "joe@domain: joe@domain" the local joe or the remote address; so
 *     does one that came back by other names of the same local user alone, as with
 *     "joe@domain: joe" and "joe: joe@domain";
 *   - one that finds an alias further up is a circle: an ERROR, NEVER 5.4.6;
 *   - files and commands end it where alias_files and alias_commands of the settings name a user
 *     for them, and nothing but an alias itself names them: in a list (":include:") and without
 *     such a user they are an ERROR, NEVER 5.7.1. /dev/null is allowed everywhere.
 *
 * When there is an alias owner-NAME beside NAME (with the domain that NAME has, or none), what NAME
 * leads to goes on with owner-NAME as its sender: the nearest such name on the way counts.
 */
#ifndef ROUTE_EXPAND_H
#define ROUTE_EXPAND_H

#include <stdbool.h>

#include "base/outcome.h"
#include "config/settings.h"
#include "mail/address.h"
#include "route/lookup.h"

enum target_kind { TARGET_MAILBOX, TARGET_REMOTE, TARGET_ERROR, TARGET_FILE, TARGET_COMMAND };

struct target {
    enum target_kind kind;
    struct address address; /* MAILBOX: .local is the user's name (from the user table), .domain
                               NULL; REMOTE: the recipient; ERROR: what could not be resolved;
                               FILE, COMMAND: whose alias has it */
    char *text;             /* FILE: its path; COMMAND: the command in the form of
                               config/command.h; else NULL */
    struct address owner;   /* of the list it came from, with a domain; null: there is none */
    struct outcome outcome; /* ERROR: why, LATER or NEVER */
    bool aliased;           /* an alias or a fall-back was used: not the recipient itself */
};

struct targets {
    struct target *items;
    size_t count;
    size_t capacity;
};

/* Adds every final target of a recipient, each once; at least one (maybe an ERROR). */
void expand(const struct expander *expander, const struct address *recipient,
            struct targets *targets);
void targets_free(struct targets *targets);

#endif

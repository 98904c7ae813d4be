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

#include "mail/address.h"
#include "route/lookup.h"
#include "route/targets.h"

/* Adds every final target of a recipient, each once; at least one (maybe an ERROR), where lists
 * may be read. */
void expand(const struct expander *expander, const struct address *recipient,
            struct targets *targets);

#endif

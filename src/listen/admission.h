/*
 * Who may send where: what must be true before a reverse-path or a recipient is taken. Pure over
 * settings, tables and what is known of the client.
 */
#ifndef LISTEN_ADMISSION_H
#define LISTEN_ADMISSION_H

#include <stdbool.h>

#include "base/outcome.h"
#include "config/settings.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "route/lookup.h"

struct visitor {
    const struct listener *listener;
    const struct expander *expander; /* with the settings */
    bool trusted;                    /* in relay_networks, signed in, or a local user */
    const char *user;                /* who signed in; NULL: nobody */
};

/*
 * DONE: mail for this recipient is taken: for local domains when there is such an address, for
 * relay_domains from anyone, for all else from those who are trusted. NEVER: 5.1.1 no such
 * address, 5.7.1 no relaying; LATER: it cannot be told now. The words are for the reply.
 */
struct outcome admission_check_recipient(const struct visitor *visitor,
                                         const struct address *recipient);
/*
 * Whether one of these and the recipient are of different domains that leave this machine, and one
 * of them is held by its route.
 */
bool admission_goes_apart(const struct visitor *visitor, const struct envelope *envelope,
                          const struct address *recipient);
/*
 * Whether who signed in may send with this reverse-path, as own_sender wants it: the null one, his
 * own name, in any local domain if it has none itself, or one whose aliases lead to his mailbox or
 * address. DONE; NEVER 5.7.1.
 */
struct outcome admission_check_sender(const struct visitor *visitor, const struct address *sender);
/* The place in relay_domains of what fits this domain, else their count. */
size_t admission_find_relay_domain(const struct listener *listener, const char *domain);

#endif

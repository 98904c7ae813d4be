/*
 * Which way mail for an address leaves, once no alias is left to ask: to this machine, to a next
 * hop, or nowhere. Pure over the settings.
 *
 * By the recipient's domain, the first that fits:
 *   1. a [route] of exactly this domain;
 *   2. local_domains, the host's own name and localhost: this machine;
 *   3. the [route] with the longest wildcard that fits;
 *   4. the smarthost for the sender.
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include <stdbool.h>

#include "config/settings.h"
#include "mail/address.h"

enum way {
    WAY_LOCAL,
    WAY_SMTP,    /* to .peer's hosts */
    WAY_MX,      /* to the MX hosts of .domain, in .peer's manner */
    WAY_LMTP,    /* to the socket at .route->argument */
    WAY_HOLD,    /* waits until someone releases it */
    WAY_DISCARD, /* goes nowhere, and that is a success */
    WAY_ERROR,   /* is refused with the words in .route->argument */
    WAY_NONE     /* there is no smarthost for it */
};

/* All of it belongs to the settings and the recipient. */
struct next_hop {
    enum way way;
    const struct route *route;    /* NULL: none was asked */
    const struct smarthost *peer; /* for SMTP, MX and LMTP */
    const char *domain;           /* for MX */
};

/* released: someone said that held mail may go; then routes that hold are as if not there. */
void route_find(const struct settings *settings, const struct address *recipient,
                const struct address *sender, bool released, struct next_hop *next);
/* Whether mail for this domain belongs to this machine; NULL is that of an unqualified address. */
bool route_is_local(const struct settings *settings, const char *domain);
/* Whether the settings name this domain as this machine's own, whatever route its mail then takes.
 */
bool route_is_ours(const struct settings *settings, const char *domain);
/* The name for log, hops/ and people, behind the buffer: "smarthost", "st2", "route example.org",
 * "mx example.org". */
void next_hop_name(const struct next_hop *next, struct buffer *name);

#endif

/* See route.h. */
#include "route/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static bool counts(const struct route *route, bool released)
{
    return !released || route->via != VIA_HOLD;
}

static const struct route *find_exact(const struct settings *settings, const char *domain,
                                      bool released)
{
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route *route = &settings->routes[i];
        if (counts(route, released) && text_equal(route->pattern, domain))
            return route;
    }
    return NULL;
}

/* The longest one is the nearest. */
static const struct route *find_wildcard(const struct settings *settings, const char *domain,
                                         bool released)
{
    const struct route *best = NULL;
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route *route = &settings->routes[i];
        if (counts(route, released) && strchr(route->pattern, '*') &&
            text_match(route->pattern, domain) &&
            (!best || strlen(route->pattern) > strlen(best->pattern)))
            best = route;
    }
    return best;
}

bool route_is_ours(const struct settings *settings, const char *domain)
{
    if (!domain || text_equal(domain, settings->hostname) || text_equal(domain, "localhost"))
        return true;
    for (size_t i = 0; i < settings->local_domains.count; i++)
        if (text_match(settings->local_domains.items[i], domain))
            return true;
    return false;
}

static enum way way_of(const struct route *route)
{
    static const enum way ways[] = {
        [VIA_HOSTS] = WAY_SMTP,      [VIA_MX] = WAY_MX,      [VIA_SMARTHOST] = WAY_SMTP,
        [VIA_LOCAL] = WAY_LOCAL,     [VIA_LMTP] = WAY_LMTP,  [VIA_HOLD] = WAY_HOLD,
        [VIA_DISCARD] = WAY_DISCARD, [VIA_ERROR] = WAY_ERROR};
    return ways[route->via];
}

static void take_smarthost(const struct settings *settings, const struct address *sender,
                           struct next_hop *next)
{
    char *text = address_text(sender);
    next->peer = settings_smarthost_for(settings, text);
    next->way = next->peer ? WAY_SMTP : WAY_NONE;
    free(text);
}

/* here: it is this machine's, without that a route says so. */
static const struct route *find(const struct settings *settings, const char *domain, bool released,
                                bool *here)
{
    const struct route *route = domain ? find_exact(settings, domain, released) : NULL;
    *here = !route && route_is_ours(settings, domain);
    return route || *here ? route : find_wildcard(settings, domain, released);
}

void route_find(const struct settings *settings, const struct address *recipient,
                const struct address *sender, bool released, struct next_hop *next)
{
    *next = (struct next_hop){.way = WAY_LOCAL, .domain = recipient->domain};
    bool here;
    const struct route *route = find(settings, recipient->domain, released, &here);
    if (here)
        return;
    next->route = route;
    if (!route || (route->via == VIA_SMARTHOST && !*route->argument)) {
        take_smarthost(settings, sender, next);
        return;
    }
    next->way = way_of(route);
    if (route->via == VIA_SMARTHOST)
        next->peer = settings_smarthost(settings, route->argument);
    else if (next->way == WAY_SMTP || next->way == WAY_MX || next->way == WAY_LMTP)
        next->peer = &route->to;
}

bool route_is_local(const struct settings *settings, const char *domain)
{
    bool here;
    const struct route *route = find(settings, domain, true, &here);
    return here || (route && route->via == VIA_LOCAL);
}

void next_hop_name(const struct next_hop *next, struct buffer *name)
{
    if (next->way == WAY_MX)
        buffer_format(name, "mx %s", next->domain);
    else if (next->route && next->peer == &next->route->to)
        buffer_format(name, "route %s", next->route->pattern);
    else if (next->peer)
        buffer_append_text(name, *next->peer->name ? next->peer->name : "smarthost");
}

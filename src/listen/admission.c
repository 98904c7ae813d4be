/* See admission.h. What is not plainly allowed is refused. */
#include "listen/admission.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "route/route.h"

size_t admission_find_relay_domain(const struct listener *listener, const char *domain)
{
    size_t at = 0;
    while (at < listener->relay_domains.count &&
           !text_match(listener->relay_domains.items[at], domain))
        at++;
    return at;
}

/*
 * "user%elsewhere", "elsewhere!user", "user@elsewhere" within quotes: the next server might take it
 * for a way to go, and trusts us.
 */
static bool names_a_way(const char *local)
{
    return strpbrk(local, "%!@:") != NULL;
}

static struct outcome check_route(const struct settings *settings, const struct address *recipient)
{
    static const struct address nobody;
    struct next_hop next;
    route_find(settings, recipient, &nobody, true, &next);
    if (next.way == WAY_ERROR)
        return outcome_never("5.7.1", "%s", next.route->argument);
    return outcome_done();
}

struct outcome admission_check_recipient(const struct visitor *visitor,
                                         const struct address *recipient)
{
    const struct settings *settings = visitor->expander->settings;
    const struct listener *listener = visitor->listener;
    const char *domain = recipient->domain;
    if (route_is_local(settings, domain))
        return lookup_address(visitor->expander, recipient);
    bool ours = route_is_ours(settings, domain);
    bool partner =
        ours || admission_find_relay_domain(listener, domain) < listener->relay_domains.count;
    if (!visitor->trusted && !partner)
        return outcome_never("5.7.1", "we do not relay for you to this domain");
    if (!visitor->trusted && names_a_way(recipient->local))
        return outcome_never("5.7.1", "we take no address that names a way of its own");
    return check_route(settings, recipient);
}

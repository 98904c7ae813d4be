/* See admission.h. What is not plainly allowed is refused. */
#include "listen/admission.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "route/expand.h"
#include "route/route.h"

/* ---- senders ---- */

/* What belongs to a user by his name: an address, or a mailbox, or both. */
struct belongings {
    struct address address; /* zeroed: his name is none */
    char *mailbox;          /* NULL: none */
};

static bool is_same(const struct address *a, const struct address *b)
{
    return a->domain && b->domain && text_equal(a->local, b->local) &&
           text_equal(a->domain, b->domain);
}

/*
 * A mailbox of the user's name is his if he has a name without a domain, or if mail for his address
 * goes there and nowhere else; "joe@shop.example" does not own the mailbox joe when an alias leads
 * him to another. LATER: that cannot be told now.
 */
static struct outcome find_belongings(const struct visitor *visitor, struct belongings *his)
{
    const char *why;
    struct outcome outcome = outcome_done();
    *his = (struct belongings){0};
    if (!strchr(visitor->user, '@')) {
        his->mailbox = memory_copy(visitor->user, strlen(visitor->user));
        return outcome;
    }
    if (!address_parse(visitor->user, &his->address, &why))
        return outcome;
    struct targets targets = {0};
    expand(visitor->expander, &his->address, &targets);
    const struct target *only = targets.count == 1 ? &targets.items[0] : NULL;
    if (only && only->kind == TARGET_MAILBOX && text_equal(only->address.local, his->address.local))
        his->mailbox = memory_copy(only->address.local, strlen(only->address.local));
    if (only && only->kind == TARGET_ERROR && only->outcome.result == LATER)
        outcome = only->outcome;
    targets_free(&targets);
    return outcome;
}

static struct outcome is_anothers(const struct visitor *visitor)
{
    return outcome_never("5.7.1", "you signed in as %.200s and may not send as another",
                         visitor->user);
}

/* NEVER: it does not; LATER: it cannot be told now. */
static struct outcome leads_to(const struct visitor *visitor, const struct address *sender,
                               const struct belongings *his)
{
    struct targets targets = {0};
    bool found = false;
    struct outcome outcome = is_anothers(visitor);
    expand(visitor->expander, sender, &targets);
    for (size_t i = 0; i < targets.count && !found; i++) {
        const struct target *target = &targets.items[i];
        if (target->kind == TARGET_MAILBOX)
            found = his->mailbox && text_equal(target->address.local, his->mailbox);
        else if (target->kind == TARGET_REMOTE)
            found = is_same(&target->address, &his->address);
        else if (target->kind == TARGET_ERROR && target->outcome.result == LATER)
            outcome = target->outcome;
    }
    targets_free(&targets);
    return found ? outcome_done() : outcome;
}

/* With his name in a local domain, be there a mailbox or not; but an alias of that very domain may
 * make it another's. LATER: that cannot be told now. */
static struct outcome check_name(const struct visitor *visitor, const struct address *sender,
                                 bool *his)
{
    const struct expander *expander = visitor->expander;
    bool found = false;
    struct outcome outcome = outcome_done();
    *his = false;
    if (strchr(visitor->user, '@') || !route_is_local(expander->settings, sender->domain))
        return outcome;
    if (expander->aliases)
        outcome = lookup_alias(expander->aliases, sender, true, &found);
    if (!outcome_good(&outcome) || found)
        return outcome;
    char *base = lookup_base(sender->local);
    *his = text_equal(base ? base : sender->local, visitor->user);
    free(base);
    return outcome;
}

static struct outcome check_belongings(const struct visitor *visitor, const struct address *sender)
{
    struct belongings his;
    struct outcome outcome = find_belongings(visitor, &his);
    if (!is_same(sender, &his.address)) {
        struct outcome way = leads_to(visitor, sender, &his);
        if (way.result != NEVER || outcome_good(&outcome))
            outcome = way;
    } else {
        outcome = outcome_done();
    }
    address_free(&his.address);
    free(his.mailbox);
    return outcome;
}

struct outcome admission_check_sender(const struct visitor *visitor, const struct address *sender)
{
    bool his;
    if (!visitor->listener->own_sender || !visitor->user || address_is_null(sender))
        return outcome_done();
    struct outcome outcome = check_name(visitor, sender, &his);
    return !outcome_good(&outcome) || his ? outcome : check_belongings(visitor, sender);
}

/* ---- recipients ---- */

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
 * for a way to go, and trusts us. Here such a name leads nowhere, unless it is written like the key
 * of another domain's alias.
 */
static bool names_a_way(const char *local)
{
    return strpbrk(local, "%!@:") != NULL;
}

static bool is_held(const struct visitor *visitor, const struct address *recipient)
{
    static const struct address nobody;
    struct next_hop next;
    route_find(visitor->expander->settings, recipient, &nobody, false, &next);
    return next.way == WAY_HOLD;
}

bool admission_goes_apart(const struct visitor *visitor, const struct envelope *envelope,
                          const struct address *recipient)
{
    const struct settings *settings = visitor->expander->settings;
    if (route_is_local(settings, recipient->domain))
        return false;
    bool held = is_held(visitor, recipient);
    for (size_t i = 0; i < envelope->count; i++) {
        const struct address *other = &envelope->recipients[i].address;
        if (!text_equal(other->domain, recipient->domain) &&
            !route_is_local(settings, other->domain) && (held || is_held(visitor, other)))
            return true;
    }
    return false;
}

/* A domain that is refused as a whole may still have addresses that an alias takes elsewhere. */
static struct outcome check_route(const struct expander *expander, const struct address *recipient)
{
    static const struct address nobody;
    struct next_hop next;
    bool found = false;
    route_find(expander->settings, recipient, &nobody, false, &next);
    if (next.way != WAY_ERROR)
        return outcome_done();
    struct outcome outcome = outcome_done();
    if (expander->aliases)
        outcome = lookup_alias(expander->aliases, recipient, true, &found);
    if (!outcome_good(&outcome) || found)
        return outcome;
    return outcome_never("5.7.1", "%s", next.route->argument);
}

struct outcome admission_check_recipient(const struct visitor *visitor,
                                         const struct address *recipient)
{
    const struct settings *settings = visitor->expander->settings;
    const struct listener *listener = visitor->listener;
    const char *domain = recipient->domain;
    bool local = route_is_local(settings, domain);
    bool partner = local || route_is_ours(settings, domain) ||
                   admission_find_relay_domain(listener, domain) < listener->relay_domains.count;
    if (!visitor->trusted && !partner)
        return outcome_never("5.7.1", "we do not relay for you to this domain");
    if (!visitor->trusted && names_a_way(recipient->local))
        return outcome_never("5.7.1", "we take no address that names a way of its own");
    if (local)
        return lookup_address(visitor->expander, recipient);
    return check_route(visitor->expander, recipient);
}

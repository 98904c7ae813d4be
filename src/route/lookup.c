/* One step of looking an address up (see lookup.h); expand.c makes the whole way of such steps. */
#include "route/lookup.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "route/alias_text.h"

char *lookup_base(const char *local)
{
    const char *plus = strchr(local, '+');
    return plus && plus != local ? memory_copy(local, (size_t)(plus - local)) : NULL;
}

static void add_key(const char *local, const char *domain, struct texts *keys)
{
    struct buffer key = {0};
    struct address address = {(char *)(uintptr_t)local, (char *)(uintptr_t)domain}; /* only read */
    alias_key_of(&address, &key);
    texts_add(keys, buffer_text(&key));
    buffer_free(&key);
}

void lookup_keys(const struct address *address, bool with_domain, struct texts *keys)
{
    const char *domain = with_domain ? address->domain : NULL;
    char *base = lookup_base(address->local);
    add_key(address->local, domain, keys);
    if (base)
        add_key(base, domain, keys);
    if (domain)
        add_key("", domain, keys);
    free(base);
}

/* As written and in lower case. */
static struct outcome find_user(const struct expander *expander, const char *name, char **user)
{
    *user = NULL;
    struct outcome outcome = expander->find_user(expander->context, name, user);
    if (outcome.result != NEVER)
        return outcome;
    char *lower = memory_copy(name, strlen(name));
    text_lower(lower);
    if (strcmp(lower, name) != 0)
        outcome = expander->find_user(expander->context, lower, user);
    free(lower);
    return outcome;
}

struct outcome lookup_user(const struct expander *expander, const char *local, char **user)
{
    struct outcome outcome = find_user(expander, local, user);
    char *base = lookup_base(local);
    if (outcome.result == NEVER && base)
        outcome = find_user(expander, base, user);
    free(base);
    return outcome;
}

const char *lookup_fallback(const char *name)
{
    static const char *const names[][2] = {{"mailer-daemon", "postmaster"}, {"postmaster", "root"}};
    for (size_t i = 0; i < 2; i++)
        if (text_equal(name, names[i][0]))
            return names[i][1];
    return NULL;
}

struct outcome lookup_alias(const struct aliases *aliases, const struct address *address,
                            bool with_domain, bool *found)
{
    struct outcome outcome = outcome_done();
    *found = false;
    struct texts keys = {0};
    lookup_keys(address, with_domain, &keys);
    for (size_t i = 0; i < keys.count && outcome_good(&outcome) && !*found; i++) {
        struct texts targets = {0};
        outcome = aliases_find(aliases, keys.items[i], &targets, found);
        texts_free(&targets);
    }
    texts_free(&keys);
    return outcome;
}

struct outcome lookup_address(const struct expander *expander, const struct address *address)
{
    struct outcome outcome = outcome_done();
    bool found = false;
    if (expander->aliases && address->domain)
        outcome = lookup_alias(expander->aliases, address, true, &found);
    if (expander->aliases && outcome_good(&outcome) && !found)
        outcome = lookup_alias(expander->aliases, address, false, &found);
    if (!outcome_good(&outcome) || found)
        return outcome;
    char *user = NULL, *base = lookup_base(address->local);
    outcome = lookup_user(expander, address->local, &user);
    if (outcome.result == NEVER && lookup_fallback(base ? base : address->local))
        outcome = outcome_done();
    free(user);
    free(base);
    return outcome;
}

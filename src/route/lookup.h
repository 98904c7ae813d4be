/*
 * Under which names an address is looked up here, in the alias tables and among the users; and
 * whether there is such an address at all, as one must know before mail for it is taken in.
 */
#ifndef ROUTE_LOOKUP_H
#define ROUTE_LOOKUP_H

#include <stdbool.h>

#include "base/outcome.h"
#include "base/text.h"
#include "config/settings.h"
#include "mail/address.h"
#include "route/aliases.h"

struct target;

/* Who wants to see the way of an expansion, and not only its ends. */
struct expansion_watch {
    /* An alias, or a list that one includes, so many levels deep, and what it holds as written. */
    void (*opened)(void *context, size_t depth, const char *name, bool is_list,
                   const struct texts *targets);
    /* An end that was found so many levels deep. */
    void (*found)(void *context, size_t depth, const struct target *target);
    void *context;
};

struct expander {
    const struct settings *settings;
    const struct aliases *aliases; /* NULL: none */
    /* Whether mail can be put into a mailbox of this name. Gives the name as the user table spells
     * it, which the caller frees. DONE: yes; NEVER (5.1.1): no such user; LATER: cannot tell now.
     */
    struct outcome (*find_user)(void *context, const char *name, char **canonical);
    void *context;
    bool lists_closed; /* lists that aliases include may not be read here, and lead nowhere */
    const struct expansion_watch *watch; /* NULL: nobody */
};

/* Adds the alias keys of an address, the most exact one first: with its domain "user+detail@domain,
 * user@domain, @domain", without "user+detail, user". */
void lookup_keys(const struct address *address, bool with_domain, struct texts *keys);
/* The name before a "+detail"; NULL when there is none. The caller frees. */
char *lookup_base(const char *local);
/* The user for a local part: as written, in lower case, and both without "+detail". As find_user.
 */
struct outcome lookup_user(const struct expander *expander, const char *local, char **user);
/* Where mail for postmaster and mailer-daemon goes when nothing else is said; NULL: another name.
 */
const char *lookup_fallback(const char *name);

/* Whether there is an alias of one of lookup_keys. DONE, or LATER: it cannot be told now. */
struct outcome lookup_alias(const struct aliases *aliases, const struct address *address,
                            bool with_domain, bool *found);

/*
 * Whether a local address leads anywhere: an alias has its key, or a user its name. DONE; NEVER
 * (5.1.1): nobody here; LATER: it cannot be told now. What an alias leads to is not looked at.
 */
struct outcome lookup_address(const struct expander *expander, const struct address *address);

#endif

/*
 * An account with a provider, on its way into postrider.conf: which keys of its section that means,
 * and which ones of an older account no longer count. Knows nothing of passwords.
 */
#ifndef SETUP_ACCOUNT_H
#define SETUP_ACCOUNT_H

#include "base/outcome.h"
#include "base/text.h"
#include "config/settings.h"
#include "setup/edit.h"

/* As the values stand in the file. NULL: nothing is said about it, and what is there stays. */
struct smarthost_account {
    const char *name; /* of its section; "": the default one */
    const char *senders, *host, *port, *tls, *tls_trust;
    const char *user;       /* "": it wants no sign-in */
    const char *domain;     /* [mail] domain */
    const char *masquerade; /* [mail] masquerade, if there is none yet but that of the old user */
    bool has_password;      /* one in credentials.conf is to count */
};

/*
 * Edits the file so that the account is in it. now: what the file says so far; what is in force
 * already, be it by default, is not written. *dropped gets a word about each key that was commented
 * out, such as "[smarthost] auth". EX_DATAERR for a value that no line can carry.
 */
struct outcome account_apply(const struct smarthost_account *account, const struct settings *now,
                             struct edit *edit, struct texts *dropped);

/*
 * A [route "*"] becomes a comment if the default account is a new one, or with another host, than
 * it was before: all mail would go past it. Who writes both by hand is not contradicted.
 */
struct outcome account_drop_route(const struct edit *before, struct edit *edit,
                                  struct texts *dropped);

/* Whether the section is still an account with this host and this user (NULL: none), so that its
 * password is for them. */
bool account_is_the_same(const struct edit *edit, const char *name, const char *host,
                         const char *user);

/* The value of password_command that reads the password from this file, for the time in which both
 * files are on their way. */
char *account_bridge(const char *password_path);
/* Whether the section has such a value. */
bool account_is_bridged(const struct edit *edit, const char *name);

#endif

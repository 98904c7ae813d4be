/*
 * Part of postrider setup: what is wanted, from the options, what is known of the provider, what
 * the settings say already, and for the rest from the person at the terminal.
 */
#ifndef SENDMAIL_SETUP_WISH_H
#define SENDMAIL_SETUP_WISH_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "config/provider.h"
#include "config/settings.h"
#include "sendmail/verb.h"

/* Each NULL or "not said": what is there stays. All of it is owned. */
struct wish {
    const struct provider *provider; /* NULL: another one */
    char *name;                      /* of the section; "" */
    char *senders, *host, *port, *tls, *tls_trust, *user, *domain, *masquerade;
    struct buffer password; /* wiped */
    bool has_password;
    bool has_account;  /* anything about a smarthost is wanted at all */
    char *root, *test; /* addresses */
};

/* What the questions need to know. */
struct wish_about {
    const struct settings *now;
    bool may_ask;           /* there is a person */
    bool has_password;      /* credentials.conf has one for the section of this name */
    bool root_has_no_alias; /* and the aliases file can be written */
};

/* The section that the options are about: "" for the default one. */
const char *wish_section(const struct verb_options *options);
/* EX_USAGE: what is missing, or makes no sense, and which option says it. EX_NOINPUT: the person
 * has gone. The caller frees either way. */
struct outcome wish_make(const struct verb_options *options, const struct wish_about *about,
                         struct wish *wish);
/* Another password instead of one that was refused. */
struct outcome wish_ask_password(struct wish *wish);
void wish_free(struct wish *wish);

#endif

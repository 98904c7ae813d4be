/* The smarthosts that people have accounts with: what is known about each beforehand. A table. */
#ifndef CONFIG_PROVIDER_H
#define CONFIG_PROVIDER_H

#include <stdbool.h>

#include "config/settings.h"

struct provider {
    const char *name;   /* what is typed: "mailgun-eu" */
    const char *title;  /* what people call it: "Mailgun (EU)" */
    const char *host;   /* "%s" in it: the region */
    const char *other;  /* a further name of that host, which stands in settings as well; NULL */
    const char *region; /* an example of a region; NULL: there are none */
    unsigned port;
    enum tls_mode tls;
    const char *user;    /* a user name that all have, or "postmaster@%s" with the sender's domain;
                            NULL: everybody has one of his own */
    const char *user_is; /* what it calls the user name */
    const char *password_is; /* what it calls the password, and where it shows it */
    const char *spf;   /* what it wants in the SPF record: "include:mailgun.org"; NULL: nothing */
    bool own_envelope; /* it puts a sender of its own into the envelope unless a domain of the
                          customer was set up for that: SPF is then its own affair */
    bool
        own_sender; /* it takes mail from the account's own address alone, or writes that into it */
    const char *hint; /* what has to be done there first; NULL: nothing */
};

/* By the name that is typed; NULL: unknown. */
const struct provider *provider_find(const char *name);
/* By the name of a host of its; NULL: none that we know. */
const struct provider *provider_of_host(const char *host);
/* All of them, for lists; ends with a name of NULL. */
const struct provider *provider_all(void);

#endif

/*
 * What stands behind a verb of postrider: options that all verbs share, by the one table in verb.c,
 * and arguments. Knows nothing of settings or queues.
 */
#ifndef SENDMAIL_VERB_H
#define SENDMAIL_VERB_H

#include <stdbool.h>

#include "base/outcome.h"
#include "base/text.h"

/* What a verb may be given; -C goes with all of them. */
enum verb_option {
    VERB_JSON = 1 << 0,
    VERB_PROMETHEUS = 1 << 1,
    VERB_VERBOSE = 1 << 2,
    VERB_ALL = 1 << 3,
    VERB_DOMAIN = 1 << 4,
    VERB_SENDER = 1 << 5,
    VERB_YES = 1 << 6,
    VERB_DELETE = 1 << 7,
    VERB_CHECK = 1 << 8,
    VERB_FILE = 1 << 9,
    VERB_SELECTOR = 1 << 10,
    VERB_TYPE = 1 << 11,
    VERB_FORCE = 1 << 12,
    VERB_SHOW = 1 << 13,
    VERB_FOREGROUND = 1 << 14,
    VERB_EVERY = 1 << 15,
    VERB_RELEASE = 1 << 16,
    VERB_ARGUMENTS = 1 << 17, /* what is no option */
    VERB_ONLINE = 1 << 18,
    VERB_OFFLINE = 1 << 19,
    VERB_DRY_RUN = 1 << 20,
    VERB_ACCOUNT = 1 << 21 /* any of struct verb_account */
};

/* --host and so on, about an account with a provider; NULL: not given. */
struct verb_account {
    const char *provider, *region, *name, *senders, *host, *port, *tls, *tls_trust, *user;
    const char *password_file, *root, *test, *from, *from_root;
};

struct verb_options {
    const char *config;                         /* -C; NULL: not given */
    const char *file, *selector, *type, *every; /* --file and so on; NULL: not given */
    struct verb_account account;
    unsigned given; /* enum verb_option, or-ed */
    struct texts domains, senders;
    struct texts arguments;
};

/*
 * Reads what is behind argv[0], the verb. EX_USAGE for what is not known, or not allowed (enum
 * verb_option, or-ed). The caller frees either way.
 */
struct outcome verb_parse(int argc, char *const argv[], unsigned allowed,
                          struct verb_options *options);
/* EX_USAGE when more was given than this; what: for whom that is so, such as "queue show". */
struct outcome verb_allow(const struct verb_options *options, unsigned allowed, const char *what);
/* What was given, but for -C, as another program of ours can read it: each option and each value a
 * word of its own, then "--" and the arguments. */
void verb_words(struct verb_options *options, struct texts *words);
void verb_free(struct verb_options *options);

#endif

/*
 * Which hosts a next hop stands for, in the order in which to try them: those of the settings, what
 * SRV records say of them, the MX hosts of a domain, or one Unix socket. It connects to none.
 */
#ifndef RUN_SMTP_HOSTS_H
#define RUN_SMTP_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outcome.h"
#include "run/smtp.h"

struct smtp_target {
    char *host; /* a name or an address; for a socket its path */
    unsigned port;
    bool socket;
    bool absolute; /* the name came from the DNS: no search list completes it */
    enum tls_mode tls;
    char *certificate_name; /* whom the certificate must be for, and SNI */
    char *other_name;       /* will do as well; NULL: none */
};

struct smtp_targets {
    struct smtp_target *items;
    size_t count;
    struct outcome problem; /* of items of the settings that led to no host; DONE: none */
};

/* DONE with one target at least; else NEVER (dns_mx) or LATER. The caller frees either way. */
struct outcome smtp_targets_find(const struct smtp_hop *hop, struct smtp_targets *targets);
void smtp_targets_free(struct smtp_targets *targets);

#endif

/*
 * Whether the DNS leads the mail of our domains to this machine: MX records (RFC 5321 5.1, 7505),
 * the addresses of our name, and back (PTR). Pure.
 */
#ifndef CHECK_DNS_INBOUND_H
#define CHECK_DNS_INBOUND_H

#include <stdbool.h>

#include "check/dns_book.h"
#include "check/finding.h"

struct dns_inbound {
    const char *hostname;
    struct texts own; /* addresses of this machine, without those that nobody else can reach */
};

/* The name of this machine; topic "hostname". */
void dns_inbound_look_host(struct dns_book *book, const struct dns_inbound *inbound,
                           struct findings *findings);
/* A domain whose mail is to come here; backup: another machine may come first. Topic "mx". */
void dns_inbound_look_domain(struct dns_book *book, const struct dns_inbound *inbound,
                             const char *domain, bool backup, struct findings *findings);

#endif

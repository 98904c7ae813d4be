/*
 * What the DNS tells receivers about a domain in whose name mail leaves this machine: who may send
 * it (SPF, RFC 7208), what is to become of the rest (DMARC, RFC 7489), where bounces go. Pure.
 */
#ifndef CHECK_DNS_SENDER_H
#define CHECK_DNS_SENDER_H

#include <stdbool.h>

#include "check/dns_book.h"
#include "check/finding.h"

enum { DNS_WANTED_MOST = 8 };

struct dns_sender {
    char *domain;
    /* Who sends its mail on, and what each wants in its SPF record, such as "include:mailgun.org".
     */
    struct dns_wanted {
        const char *provider, *spf;
    } wanted[DNS_WANTED_MOST];
    size_t wanted_count;
    char *usual;     /* what a record would have that has nothing else; NULL: nothing; owned */
    bool needs_none; /* a provider uses a domain of its own for SPF */
};

/* What is known by now of such a domain; topics "spf", "dmarc" and "sender". */
void dns_sender_look(struct dns_book *book, const struct dns_sender *sender,
                     struct findings *findings);
/* Frees what it owns. */
void dns_sender_free(struct dns_sender *sender);

#endif

/* Whether a list in the DNS is one, by its test entries (RFC 5782 5). Pure. */
#ifndef CHECK_DNS_LIST_H
#define CHECK_DNS_LIST_H

#include "check/dns_book.h"
#include "check/finding.h"

/* zone: its name. topic: "dnsbl", "dnswl". */
void dns_list_look(struct dns_book *book, const char *topic, const char *zone,
                   struct findings *findings);

#endif

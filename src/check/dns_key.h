/* Whether verifiers find in the DNS the key that signs here (RFC 6376 3.6.1). Pure. */
#ifndef CHECK_DNS_KEY_H
#define CHECK_DNS_KEY_H

#include "check/dns_book.h"
#include "check/finding.h"
#include "mail/dkim_record.h"

/* show: the command that prints the record. Topic "dkim". */
void dns_key_look(struct dns_book *book, const struct dkim_record *record, const char *show,
                  struct findings *findings);

#endif

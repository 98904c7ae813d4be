/* The SPF record of a sender's domain, with all that it includes (RFC 7208 4.6.4). Pure. */
#ifndef CHECK_DNS_SPF_H
#define CHECK_DNS_SPF_H

#include "check/dns_sender.h"

void dns_spf_look(struct dns_book *book, const struct dns_sender *sender,
                  struct findings *findings);
/*
 * One record out of these, behind the buffer: their terms once each, without those that are wrong,
 * and what is wanted; at the end the redirect of the only one, or "-all" if one had that, or
 * "~all".
 */
void dns_spf_compose(const struct dns_sender *sender, const struct texts *records,
                     struct buffer *record);

#endif

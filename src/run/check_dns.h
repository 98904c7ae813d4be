/*
 * What others learn from the DNS about this machine's mail: senders' domains, keys that sign,
 * domains that are to come in; and the lists that the listener asks.
 */
#ifndef RUN_CHECK_DNS_H
#define RUN_CHECK_DNS_H

#include <stdint.h>

#include "check/finding.h"
#include "config/settings.h"

struct dns_question {
    const struct settings *settings;
    int64_t deadline; /* clock_ms */
};

/* For a process of its own, which it locks in once it has read the keys. question: a struct
 * dns_question. Topics are those of check/dns_*.h, and "dns". */
void check_dns(const void *question, struct findings *findings);

#endif

/*
 * Whether a domain lets this client send mail in its name: check_host() of RFC 7208, with its
 * limits. Asks the DNS and nothing else.
 */
#ifndef FILTER_SPF_H
#define FILTER_SPF_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "net/resolver.h"

enum spf_result {
    SPF_NONE,
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR,
    SPF_PERMERROR
};

struct spf_query {
    const struct sockaddr *client;
    const char *helo;
    const char *local, *domain; /* the sender; of the null path "postmaster" and the HELO name */
    const char *receiver;       /* the name of this host, for %{r} */
    const struct resolver *resolver;
    int64_t question_ms; /* for one question; 0: up to the deadline */
    int64_t deadline;    /* clock_ms; what is not known by then is SPF_TEMPERROR */
};

/* explanation: of a fail, what the domain wants to be said, printable ASCII; may stay empty. */
enum spf_result spf_check(const struct spf_query *query, struct buffer *explanation);
/* "none", "pass" and so on, as in Received-SPF. */
const char *spf_result_name(enum spf_result result);

#endif

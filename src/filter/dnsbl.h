/*
 * What lists in the DNS say of a client (RFC 5782): those that block, by the sum of their weights,
 * and those that allow. All are asked at once. Which lists are dead, or answer what no list
 * answers, and what they said a while ago, is shared by all sessions through the folder filter/ of
 * the queue.
 */
#ifndef FILTER_DNSBL_H
#define FILTER_DNSBL_H

#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include "base/buffer.h"
#include "base/text.h"
#include "filter/lists.h"
#include "net/resolver.h"

struct dnsbl_question {
    const struct sockaddr *client;
    const struct texts *block, *allow; /* items in the form of config/dns_zone.h */
    unsigned threshold;                /* of the sum of weights, to be blocked */
    const char *folder;                /* where sessions share what they know; must exist */
    const struct resolver *resolver;
    int64_t limit_ms; /* for all of it */
    time_t now;
};

/*
 * An allowing list wins. A list that does not answer in time, or is no sound one, has no say; that
 * is logged, once. names: the lists that decided; reason: what one of them says of it, printable
 * ASCII; may stay empty.
 */
enum listed dnsbl_check(const struct dnsbl_question *question, struct buffer *names,
                        struct buffer *reason);

#endif

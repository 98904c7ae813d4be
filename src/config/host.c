/* Hosts as they stand in a list. */
#include "config/host.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "mail/domain.h"

static bool fail(struct host *host, const char **why, const char *words)
{
    free(host->name);
    *host = (struct host){0};
    *why = words;
    return false;
}

/* Behind the '[': an IPv6 address. Returns what follows the ']', NULL when it is none. */
static const char *take_v6(const char *text, struct host *host)
{
    const char *close = strchr(text, ']');
    if (!close)
        return NULL;
    struct in6_addr binary;
    host->name = memory_copy(text, (size_t)(close - text));
    return inet_pton(AF_INET6, host->name, &binary) == 1 ? close + 1 : NULL;
}

bool host_parse(const char *text, struct host *host, const char **why)
{
    *host = (struct host){0};
    const char *rest;
    if (*text == '[') {
        rest = take_v6(text + 1, host);
        if (!rest)
            return fail(host, why, "no IPv6 address between the brackets");
    } else {
        size_t length = strcspn(text, ":");
        rest = text + length;
        if (*rest && strchr(rest + 1, ':'))
            return fail(host, why, "more than one ':': write an IPv6 address as [address]:port");
        if (!domain_parse(text, length, &host->name, why))
            return fail(host, why, *why);
    }
    if (!*rest)
        return true;
    uint64_t port;
    if (*rest != ':' || !text_to_number(rest + 1, 1, 65535, &port))
        return fail(host, why, "no port from 1 to 65535 behind the host");
    host->port = (unsigned)port;
    return true;
}

bool host_is_loopback(const char *name)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, name, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, name, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six);
    return text_equal(name, "localhost");
}

/*
 * What the DNS says about a domain's mail: MX records (RFC 5321 5.1, 7505) and the SRV records of
 * submission (RFC 2782, 6186, 8314). No search list has a say in it. It connects to no mail server.
 */
#ifndef NET_DNS_H
#define NET_DNS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/outcome.h"

struct dns_host {
    char *name; /* without a last dot; owned */
    unsigned port;
    unsigned rank; /* an MX record's preference, a SRV record's priority */
    unsigned weight;
    bool implicit_tls; /* TLS from the first byte: _submissions */
};

/* Hosts in the order in which to try them. */
struct dns_hosts {
    struct dns_host *items;
    size_t count;
};

/*
 * The hosts that take mail for a domain, all with this port; where there is no MX record, the
 * domain itself. This machine, by its name or one of its addresses, and every host that is not
 * preferred to it is left out. Equal preferences come in random order. server: whom to ask instead
 * of those in /etc/resolv.conf, or NULL. NEVER: there is no such domain (5.1.2), it takes no mail
 * (5.1.10), it has no address (5.4.4), only this machine is left (5.4.6). LATER 4.4.3: no answer.
 * The caller frees the hosts either way.
 */
struct outcome dns_mx(const char *domain, const char *own_name, unsigned port,
                      const struct sockaddr_in *server, struct dns_hosts *hosts);

/* Which services to look for. */
enum { DNS_SUBMISSIONS = 1 /* implicit TLS */, DNS_SUBMISSION = 2 };

/*
 * The submission servers of a domain, those with implicit TLS first; then by priority and weight.
 * LATER 4.4.3: no answer; 4.4.4: there is none.
 */
struct outcome dns_srv(const char *domain, unsigned services, const struct sockaddr_in *server,
                       struct dns_hosts *hosts);

void dns_hosts_free(struct dns_hosts *hosts);

#endif

/* Ranges of IP addresses: "192.0.2.0/24", "2001:db8::/32", a single address. Pure. */
#ifndef CONFIG_NETWORK_H
#define CONFIG_NETWORK_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "base/text.h"

struct network {
    int family; /* AF_INET or AF_INET6 */
    unsigned char address[16];
    unsigned bits; /* of the prefix */
};

/* False: *why says what is wrong, in static words; bits behind the prefix are wrong, too. */
bool network_parse(const char *text, struct network *network, const char **why);
/* The range of one address; one that is mapped into IPv6 as what it is. False: no IP address. */
bool network_of(const struct sockaddr *address, struct network *network);
/* Whether all of the second one is in the first. */
bool network_covers(const struct network *network, const struct network *part);
/* An IPv4 address that is mapped into IPv6 counts as itself. */
bool network_has(const struct network *network, const struct sockaddr *address);
/* Whether the address is in one of the ranges, each in the form of network_parse. */
bool networks_have(const struct texts *networks, const struct sockaddr *address);
/* As an address literal, "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 4.1.3), behind the buffer.
 */
void network_format_literal(const struct sockaddr *address, struct buffer *text);
/* The address of a single one backwards, as the DNS has it before in-addr.arpa, ip6.arpa or the
 * name of a list: "1.2.0.192", or 32 digits with dots between (RFC 3596 2.5); behind the buffer. */
void network_format_reversed(const struct network *network, struct buffer *text);

#endif

/* Ranges of addresses, compared by their bits (RFC 4632, RFC 4291 2.3). */
#include "config/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static unsigned longest_of(int family)
{
    return family == AF_INET ? 32 : 128;
}

/* Whether the first bits of both are the same. */
static bool starts_same(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] >> (8 - rest)) == (b[whole] >> (8 - rest));
}

static bool ends_in_zeros(const struct network *network)
{
    for (unsigned bit = network->bits; bit < longest_of(network->family); bit++)
        if (network->address[bit / 8] & (0x80 >> bit % 8))
            return false;
    return true;
}

/* Clients never have such addresses here: see bytes_of. */
static bool is_mapped(const struct network *network)
{
    return network->family == AF_INET6 && network->bits >= 8 * sizeof mapped &&
           memcmp(network->address, mapped, sizeof mapped) == 0;
}

static bool take_bits(const char *text, struct network *network)
{
    uint64_t bits;
    if (!*text)
        return true;
    if (!text_to_number(text + 1, 0, network->bits, &bits))
        return false;
    network->bits = (unsigned)bits;
    return true;
}

bool network_parse(const char *text, struct network *network, const char **why)
{
    *network = (struct network){0};
    size_t length = strcspn(text, "/");
    char *address = memory_copy(text, length);
    network->family = strchr(address, ':') ? AF_INET6 : AF_INET;
    network->bits = longest_of(network->family);
    bool good = inet_pton(network->family, address, network->address) == 1;
    free(address);
    *why = "an IP address, or a range such as 192.0.2.0/24 or 2001:db8::/32, is wanted";
    if (!good || !take_bits(text + length, network))
        return false;
    *why = "IPv4 within IPv6: write it as IPv4, such as 192.0.2.0/24";
    if (is_mapped(network))
        return false;
    *why = "the address has bits behind the prefix: is another range meant?";
    return ends_in_zeros(network);
}

/* The bytes of an address and its family, one that is mapped into IPv6 as what it is; NULL: it is
 * no IP address. */
static const unsigned char *bytes_of(const struct sockaddr *address, int *family)
{
    const unsigned char *bytes = NULL;
    *family = address->sa_family;
    if (*family == AF_INET)
        return (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
    if (*family == AF_INET6) {
        bytes = (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        if (memcmp(bytes, mapped, sizeof mapped) == 0) {
            bytes += sizeof mapped;
            *family = AF_INET;
        }
    }
    return bytes;
}

bool network_of(const struct sockaddr *address, struct network *network)
{
    *network = (struct network){0};
    const unsigned char *bytes = bytes_of(address, &network->family);
    if (!bytes)
        return false;
    network->bits = longest_of(network->family);
    memcpy(network->address, bytes, network->bits / 8);
    return true;
}

bool network_covers(const struct network *network, const struct network *part)
{
    return part->family == network->family && part->bits >= network->bits &&
           starts_same(part->address, network->address, network->bits);
}

bool network_has(const struct network *network, const struct sockaddr *address)
{
    struct network one;
    return network_of(address, &one) && network_covers(network, &one);
}

void network_format_literal(const struct sockaddr *address, struct buffer *text)
{
    int family;
    char plain[INET6_ADDRSTRLEN] = "unknown";
    const unsigned char *bytes = bytes_of(address, &family);
    if (bytes)
        (void)inet_ntop(family, bytes, plain, sizeof plain);
    buffer_format(text, family == AF_INET6 ? "[IPv6:%s]" : "[%s]", plain);
}

void network_format_reversed(const struct network *network, struct buffer *text)
{
    for (size_t i = longest_of(network->family) / 8; i-- > 0;) {
        unsigned byte = network->address[i];
        if (network->family == AF_INET)
            buffer_format(text, "%u", byte);
        else
            buffer_format(text, "%x.%x", byte & 15u, byte >> 4);
        if (i)
            buffer_append_byte(text, '.');
    }
}

bool networks_have(const struct texts *networks, const struct sockaddr *address)
{
    for (size_t i = 0; i < networks->count; i++) {
        struct network network;
        const char *why;
        if (network_parse(networks->items[i], &network, &why) && network_has(&network, address))
            return true;
    }
    return false;
}

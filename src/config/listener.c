/* Listeners as a whole (see listener.h). Whoever may relay is looked at with mistrust. */
#include "config/listener.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "config/network.h"

/* Nobody has more of the internet than that. */
enum { WIDEST_V4 = 8, WIDEST_V6 = 16 };

char *listener_heading(const struct listener *listener)
{
    struct buffer heading = {0};
    if (*listener->name)
        buffer_format(&heading, "[listen \"%s\"]", listener->name);
    else
        buffer_append_text(&heading, "[listen]");
    return buffer_take(&heading);
}

/* fc00::/7 (RFC 4193) and fe80::/10 (RFC 4291) are ranges of one's own. */
static bool is_private_v6(const struct network *network)
{
    const unsigned char *address = network->address;
    return (network->bits >= 7 && (address[0] & 0xfe) == 0xfc) ||
           (network->bits >= 10 && address[0] == 0xfe && (address[1] & 0xc0) == 0x80);
}

static bool is_too_wide(const char *text)
{
    struct network network;
    const char *why;
    if (!network_parse(text, &network, &why))
        return false;
    if (network.family == AF_INET)
        return network.bits < WIDEST_V4;
    return network.bits < WIDEST_V6 && !is_private_v6(&network);
}

/* "*", and "*.com": whole top-level domains. */
static bool is_everybody(const char *pattern)
{
    const char *below = pattern + strspn(pattern, "*.");
    return below != pattern && !strchr(below, '.');
}

static bool lets_anybody_relay(const struct listener *listener)
{
    bool open = false;
    for (size_t i = 0; i < listener->relay_networks.count; i++)
        open = open || is_too_wide(listener->relay_networks.items[i]);
    for (size_t i = 0; i < listener->relay_domains.count; i++)
        open = open || is_everybody(listener->relay_domains.items[i]);
    return open;
}

/* What is wrong, and what to do; NULL: nothing. */
static const char *find_fault(const struct listener *listener)
{
    bool has_tls = listener->tls != TLS_OFF;
    if (lets_anybody_relay(listener))
        return "its relay_networks or relay_domains are so wide that anybody could send through "
               "this machine; name your own networks and your partners' domains";
    if (listener->tls == TLS_OPPORTUNISTIC)
        return "tls is off, starttls or implicit here; clients are free to use starttls or not "
               "unless require_tls = yes";
    if (has_tls && listener->tls_certificates.count == 0)
        return "tls needs tls_certificate and tls_key; contrib/make-certificate.sh makes a pair";
    if (listener->tls_certificates.count != listener->tls_keys.count)
        return "tls_certificate and tls_key go in pairs";
    if (!has_tls && (listener->tls_certificates.count || *listener->tls_client_ca))
        return "tls = off, yet tls_certificate or tls_client_ca is set";
    if (!has_tls && listener->require_tls)
        return "require_tls needs tls = starttls or implicit";
    if (listener->require_auth && !*listener->users && !*listener->tls_client_ca)
        return "require_auth needs users";
    return NULL;
}

struct outcome listener_check(const struct listener *listener, const struct entry *place)
{
    const char *fault = find_fault(listener);
    if (!fault)
        return outcome_done();
    char *heading = listener_heading(listener);
    struct outcome outcome = reader_fault(place, "%s: %s", heading, fault);
    free(heading);
    return outcome;
}

void listener_free(struct listener *listener)
{
    free(listener->name);
    texts_free(&listener->addresses);
    texts_free(&listener->tls_certificates);
    texts_free(&listener->tls_keys);
    free(listener->tls_client_ca);
    free(listener->users);
    texts_free(&listener->relay_networks);
    texts_free(&listener->relay_domains);
    texts_free(&listener->etrn_networks);
}

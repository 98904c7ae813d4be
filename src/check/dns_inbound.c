/* See dns_inbound.h. Behind a NAT the addresses that the DNS has are none of ours: what does not
 * fit is told, and called wrong only where nobody could come through. */
#include "check/dns_inbound.h"

#include <string.h>

#include "base/buffer.h"
#include "config/network.h"

static bool has_text(const struct texts *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (text_equal(list->items[i], text))
            return true;
    return false;
}

static void join(const struct texts *list, struct buffer *text)
{
    for (size_t i = 0; i < list->count; i++)
        buffer_format(text, "%s%s", text->length ? ", " : "", list->items[i]);
}

enum state { UNKNOWN_YET, UNANSWERED, ANSWERED };

/* Adds the addresses of a host. */
static enum state find_addresses(struct dns_book *book, const char *host, struct texts *addresses)
{
    const struct dns_page *pages[] = {dns_book_look(book, host, ns_t_a),
                                      dns_book_look(book, host, ns_t_aaaa)};
    if (!pages[0] || !pages[1])
        return UNKNOWN_YET;
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < pages[i]->values.count; k++)
            texts_add(addresses, pages[i]->values.items[k]);
    return !addresses->count && (pages[0]->found == NO_ANSWER || pages[1]->found == NO_ANSWER)
               ? UNANSWERED
               : ANSWERED;
}

static bool has_own(const struct dns_inbound *inbound, const struct texts *addresses)
{
    for (size_t i = 0; i < addresses->count; i++)
        if (has_text(&inbound->own, addresses->items[i]))
            return true;
    return false;
}

/* ---- this machine ---- */

static void look_back(struct dns_book *book, const struct dns_inbound *inbound, const char *address,
                      struct findings *findings)
{
    struct network network;
    struct buffer name = {0}, names = {0};
    const char *why;
    if (!network_parse(address, &network, &why))
        return;
    network_format_reversed(&network, &name);
    buffer_append_text(&name, strchr(address, ':') ? ".ip6.arpa" : ".in-addr.arpa");
    const struct dns_page *page = dns_book_look(book, buffer_text(&name), ns_t_ptr);
    if (page && page->found == NO_ANSWER) {
        finding_add(findings, FINDING_HINT, "hostname", "the name of %s is not known: %s", address,
                    page->trouble);
    } else if (page && has_text(&page->values, inbound->hostname)) {
        finding_add(findings, FINDING_GOOD, "hostname", "%s leads back to %s", address,
                    inbound->hostname);
    } else if (page) {
        join(&page->values, &names);
        finding_add(findings, FINDING_HINT, "hostname",
                    "%s leads back to %s, not to %s: other servers may distrust this one", address,
                    names.length ? buffer_text(&names) : "no name", inbound->hostname);
        finding_remedy(findings,
                       "have its owner, such as your cloud, put into the DNS: %s. IN PTR %s.",
                       buffer_text(&name), inbound->hostname);
    }
    buffer_free(&name);
    buffer_free(&names);
}

void dns_inbound_look_host(struct dns_book *book, const struct dns_inbound *inbound,
                           struct findings *findings)
{
    const char *host = inbound->hostname;
    struct texts addresses = {0};
    struct buffer list = {0};
    enum state state = find_addresses(book, host, &addresses);
    join(&addresses, &list);
    if (state == UNANSWERED) {
        finding_add(findings, FINDING_HINT, "hostname",
                    "whether %s leads here is not known: no answer from the DNS", host);
    } else if (state == ANSWERED && !addresses.count) {
        finding_add(findings, FINDING_WARNING, "hostname", "%s has no address in the DNS", host);
        finding_remedy(findings, "put its address into the DNS, or set hostname in [mail] to the "
                                 "name that this machine has there");
    } else if (state == ANSWERED && !has_own(inbound, &addresses)) {
        finding_add(findings, FINDING_HINT, "hostname",
                    "%s leads to %s, which is no address of this machine itself", host,
                    buffer_text(&list));
        finding_remedy(findings, "fine if that is a router that passes port 25 on to it");
    } else if (state == ANSWERED) {
        finding_add(findings, FINDING_GOOD, "hostname", "%s leads here (%s)", host,
                    buffer_text(&list));
    }
    for (size_t i = 0; state == ANSWERED && i < addresses.count; i++)
        look_back(book, inbound, addresses.items[i], findings);
    texts_free(&addresses);
    buffer_free(&list);
}

/* ---- domains ---- */

/* Hosts that take mail for a domain, and which of them is this machine. */
struct exchange {
    enum state state;
    struct buffer hosts; /* with their addresses */
    struct buffer here;  /* the first one that is this machine */
    bool reachable;      /* one of them has an address */
};

static void add_host(struct dns_book *book, const struct dns_inbound *inbound, const char *host,
                     struct exchange *exchange)
{
    struct texts addresses = {0};
    enum state state = find_addresses(book, host, &addresses);
    bool named = text_equal(host, inbound->hostname);
    /* The name says enough, without its addresses. */
    if (state < exchange->state && !named)
        exchange->state = state;
    buffer_format(&exchange->hosts, "%s%s", exchange->hosts.length ? ", " : "", host);
    if (addresses.count)
        buffer_format(&exchange->hosts, " (%s)", addresses.items[0]);
    exchange->reachable = exchange->reachable || addresses.count;
    if (!exchange->here.length && (named || has_own(inbound, &addresses)))
        buffer_append_text(&exchange->here, host);
    texts_free(&addresses);
}

static void tell_elsewhere(const struct dns_inbound *inbound, const char *domain, bool backup,
                           const struct exchange *exchange, struct findings *findings)
{
    if (exchange->reachable) {
        finding_add(findings, FINDING_HINT, "mx",
                    "mail for %s goes to %s, which is not this machine by its name or address",
                    domain, buffer_text(&exchange->hosts));
    } else {
        finding_add(findings, FINDING_WARNING, "mx", "nobody can send mail to %s: %s%s", domain,
                    exchange->hosts.length ? "there is no address of " : "it has no MX record",
                    buffer_text(&exchange->hosts));
    }
    finding_remedy(findings, "%sput into the DNS: %s. IN MX %u %s.",
                   exchange->reachable ? "if it is to come here, " : "", domain, backup ? 20u : 10u,
                   inbound->hostname);
}

static void tell(const struct dns_inbound *inbound, const char *domain, bool backup,
                 const struct exchange *exchange, struct findings *findings)
{
    if (exchange->here.length)
        finding_add(findings, FINDING_GOOD, "mx", "mail for %s comes here, as %s", domain,
                    buffer_text(&exchange->here));
    else if (exchange->state == UNANSWERED)
        finding_add(findings, FINDING_HINT, "mx",
                    "whether mail for %s comes here is not known: no answer from the DNS", domain);
    else if (exchange->state == ANSWERED)
        tell_elsewhere(inbound, domain, backup, exchange, findings);
}

void dns_inbound_look_domain(struct dns_book *book, const struct dns_inbound *inbound,
                             const char *domain, bool backup, struct findings *findings)
{
    const struct dns_page *page = dns_book_look(book, domain, ns_t_mx);
    struct exchange exchange = {.state = ANSWERED};
    struct texts addresses = {0};
    if (!page)
        return;
    if (page->found == NO_ANSWER)
        exchange.state = UNANSWERED;
    for (size_t i = 0; i < page->values.count && *page->values.items[i]; i++)
        add_host(book, inbound, page->values.items[i], &exchange);
    /* Without an MX record the domain itself is the host, if it is one. */
    if (page->found == NO_RECORDS &&
        (exchange.state = find_addresses(book, domain, &addresses)) == ANSWERED && addresses.count)
        add_host(book, inbound, domain, &exchange);
    if (page->values.count && !*page->values.items[0]) {
        finding_add(findings, FINDING_WARNING, "mx",
                    "%s says in the DNS that it takes no mail, by an MX record of \".\"", domain);
        finding_remedy(findings, "put into the DNS instead: %s. IN MX 10 %s.", domain,
                       inbound->hostname);
    } else {
        tell(inbound, domain, backup, &exchange, findings);
    }
    texts_free(&addresses);
    buffer_free(&exchange.hosts);
    buffer_free(&exchange.here);
}

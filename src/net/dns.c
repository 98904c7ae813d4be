/* Questions to the DNS, and the order that the answers mean (see dns.h). */
#include "net/dns.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "net/dial.h"
#include "net/questions.h"

enum {
    PATIENCE_MS = 30000, /* for an answer: what libraries have, with a few servers */
    MOST_HOSTS = 100,    /* in an answer */
    MOST_MX = 20 /* that are tried, the best: each may take its time, and a stranger named them */
};

void dns_hosts_free(struct dns_hosts *hosts)
{
    for (size_t i = 0; i < hosts->count; i++)
        free(hosts->items[i].name);
    free(hosts->items);
    *hosts = (struct dns_hosts){0};
}

static void add_host(struct dns_hosts *hosts, struct dns_host host)
{
    hosts->items = memory_resize(hosts->items, (hosts->count + 1) * sizeof *hosts->items);
    hosts->items[hosts->count++] = host;
}

static struct outcome no_answer(const char *domain, const struct answer *answer)
{
    return outcome_later("4.4.3", "cannot look up who takes mail for %s: %s", domain,
                         answer->trouble);
}

static enum resolved ask(const struct sockaddr_in *server, const char *name, int type,
                         struct answer *answer)
{
    const struct resolver resolver = {.server = server};
    return questions_ask_one(&resolver, name, type, clock_ms() + PATIENCE_MS, answer);
}

static int by_rank(const void *a, const void *b)
{
    const struct dns_host *first = a, *second = b;
    if (first->rank != second->rank)
        return first->rank < second->rank ? -1 : 1;
    return first->weight < second->weight ? -1 : first->weight > second->weight;
}

/* ---- MX ---- */

/* True: one of the records says that there is no mail at all. */
static bool collect_mx(struct answer *answer, unsigned port, struct dns_hosts *hosts, size_t *seen)
{
    bool null = false;
    int count = answer_count(answer);
    for (int i = 0; i < count && hosts->count < MOST_HOSTS; i++) {
        ns_rr record;
        char name[NS_MAXDNAME];
        if (!answer_record(answer, i, ns_t_mx, &record) || ns_rr_rdlen(record) < 3)
            continue;
        ++*seen;
        if (!answer_name(answer, ns_rr_rdata(record) + 2, name))
            continue;
        null = null || !*name;
        if (*name)
            add_host(hosts, (struct dns_host){.name = memory_copy(name, strlen(name)),
                                              .port = port,
                                              .rank = ns_get16(ns_rr_rdata(record)),
                                              .weight = clock_random(1u << 30)});
    }
    /* The weight is a lot that is drawn among equals. */
    if (hosts->count)
        qsort(hosts->items, hosts->count, sizeof *hosts->items, by_rank);
    while (hosts->count > MOST_MX)
        free(hosts->items[--hosts->count].name);
    return null;
}

/* Whether it is this machine, by its name or by an address. *resolved: an address was found. */
static bool is_own(const struct dns_host *host, const char *own_name, bool *resolved)
{
    *resolved = false;
    if (text_equal(host->name, own_name))
        return true;
    struct addrinfo *addresses;
    struct outcome outcome = dial_resolve(host->name, host->port, true, &addresses);
    if (!outcome_good(&outcome))
        return false;
    *resolved = true;
    bool own = false;
    for (const struct addrinfo *one = addresses; one && !own; one = one->ai_next)
        own = dial_is_own(one->ai_addr);
    freeaddrinfo(addresses);
    return own;
}

/* RFC 5321 5.1: this machine, and all that are not preferred to it, are no way to go. */
static struct outcome leave_out_own(const char *domain, const char *own_name,
                                    struct dns_hosts *hosts, bool *resolved)
{
    unsigned most = 0;
    bool found = false;
    *resolved = false;
    for (size_t i = 0; i < hosts->count && (!found || hosts->items[i].rank < most); i++) {
        bool has_address;
        if (is_own(&hosts->items[i], own_name, &has_address)) {
            found = true;
            most = hosts->items[i].rank;
        }
        *resolved = *resolved || has_address;
    }
    if (!found)
        return outcome_done();
    size_t kept = 0;
    while (kept < hosts->count && hosts->items[kept].rank < most)
        kept++;
    for (size_t i = kept; i < hosts->count; i++)
        free(hosts->items[i].name);
    hosts->count = kept;
    if (kept)
        return outcome_done();
    return outcome_never("5.4.6",
                         "mail for %s would come back to this very host: the DNS names it as the "
                         "mail host, but it is not set up to take mail for that domain",
                         domain);
}

/* The DNS itself says that there is no address: nothing to wait for. */
static struct outcome check_addresses(const char *domain, const struct sockaddr_in *server,
                                      struct answer *answer)
{
    if (ask(server, domain, ns_t_a, answer) != NO_RECORDS ||
        ask(server, domain, ns_t_aaaa, answer) != NO_RECORDS)
        return outcome_done();
    return outcome_never("5.4.4", "%s has neither an MX record nor an address: it takes no mail",
                         domain);
}

static struct outcome find_mx(const char *domain, unsigned port, const struct sockaddr_in *server,
                              struct dns_hosts *hosts, struct answer *answer, bool *implicit)
{
    enum resolved found = ask(server, domain, ns_t_mx, answer);
    if (found == NO_ANSWER)
        return no_answer(domain, answer);
    if (found == NO_DOMAIN)
        return outcome_never("5.1.2", "there is no domain %s", domain);
    size_t seen = 0;
    bool null = found == RESOLVED && collect_mx(answer, port, hosts, &seen);
    if (hosts->count)
        return outcome_done();
    if (null)
        return outcome_never("5.1.10", "%s takes no mail, says its MX record", domain);
    if (seen)
        return outcome_later("4.4.4", "the MX records of %s name no host", domain);
    *implicit = true;
    add_host(hosts, (struct dns_host){.name = memory_copy(domain, strlen(domain)), .port = port});
    return outcome_done();
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]": nothing to ask, RFC 5321 4.1.3. */
static bool take_literal(const char *domain, unsigned port, struct dns_hosts *hosts)
{
    static const char six[] = "[IPv6:";
    if (*domain != '[')
        return false;
    const char *begin = domain + (text_starts(domain, six) ? strlen(six) : 1);
    add_host(hosts,
             (struct dns_host){.name = memory_copy(begin, strcspn(begin, "]")), .port = port});
    return true;
}

struct outcome dns_mx(const char *domain, const char *own_name, unsigned port,
                      const struct sockaddr_in *server, struct dns_hosts *hosts)
{
    *hosts = (struct dns_hosts){0};
    bool implicit = false, resolved;
    struct outcome outcome = outcome_done();
    struct answer *answer = memory_get(sizeof *answer);
    if (!take_literal(domain, port, hosts))
        outcome = find_mx(domain, port, server, hosts, answer, &implicit);
    if (outcome_good(&outcome))
        outcome = leave_out_own(domain, own_name, hosts, &resolved);
    if (outcome_good(&outcome) && implicit && !resolved)
        outcome = check_addresses(domain, server, answer);
    free(answer);
    return outcome;
}

/* ---- SRV ---- */

static void swap_hosts(struct dns_host *a, struct dns_host *b)
{
    struct dns_host kept = *a;
    *a = *b;
    *b = kept;
}

/*
 * RFC 2782, "Weight": hosts of one priority, those without weight first, are drawn one after the
 * other, each with a chance in proportion to its weight.
 */
static void draw(struct dns_host *hosts, size_t count)
{
    for (size_t at = 0; at + 1 < count; at++) {
        unsigned total = 0, sum = 0;
        for (size_t i = at; i < count; i++)
            total += hosts[i].weight;
        unsigned lot = clock_random(total + 1);
        size_t chosen = at;
        for (sum = hosts[chosen].weight; sum < lot; sum += hosts[chosen].weight)
            chosen++;
        /* The others keep their order: those without weight stay in front. */
        for (; chosen > at; chosen--)
            swap_hosts(&hosts[chosen], &hosts[chosen - 1]);
    }
}

static void order_srv(struct dns_host *hosts, size_t count)
{
    if (count)
        qsort(hosts, count, sizeof *hosts, by_rank);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && hosts[end].rank == hosts[begin].rank;)
            end++;
        draw(hosts + begin, end - begin);
    }
}

static void collect_srv(struct answer *answer, bool implicit_tls, struct dns_hosts *hosts)
{
    size_t first = hosts->count;
    int count = answer_count(answer);
    for (int i = 0; i < count && hosts->count - first < MOST_HOSTS; i++) {
        ns_rr record;
        char name[NS_MAXDNAME];
        if (!answer_record(answer, i, ns_t_srv, &record) || ns_rr_rdlen(record) < 7)
            continue;
        const unsigned char *data = ns_rr_rdata(record);
        unsigned port = ns_get16(data + 4);
        /* A target of "." says that the service is not offered. */
        if (!answer_name(answer, data + 6, name) || !*name || port == 0)
            continue;
        add_host(hosts, (struct dns_host){.name = memory_copy(name, strlen(name)),
                                          .port = port,
                                          .rank = ns_get16(data),
                                          .weight = ns_get16(data + 2),
                                          .implicit_tls = implicit_tls});
    }
    if (hosts->count > first)
        order_srv(hosts->items + first, hosts->count - first);
}

struct outcome dns_srv(const char *domain, unsigned services, const struct sockaddr_in *server,
                       struct dns_hosts *hosts)
{
    static const struct {
        unsigned service;
        const char *label;
    } kinds[] = {{DNS_SUBMISSIONS, "_submissions._tcp"}, {DNS_SUBMISSION, "_submission._tcp"}};
    *hosts = (struct dns_hosts){0};
    struct answer *answer = memory_get(sizeof *answer);
    struct buffer asked = {0};
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!(services & kinds[i].service))
            continue;
        char name[NS_MAXDNAME];
        snprintf(name, sizeof name, "%s.%s", kinds[i].label, domain);
        buffer_format(&asked, "%s%s", asked.length ? " nor " : "", name);
        enum resolved found = ask(server, name, ns_t_srv, answer);
        if (found == RESOLVED)
            collect_srv(answer, kinds[i].service == DNS_SUBMISSIONS, hosts);
        else if (found == NO_ANSWER)
            outcome = no_answer(domain, answer);
    }
    if (hosts->count)
        outcome = outcome_done();
    else if (outcome_good(&outcome))
        outcome = outcome_later("4.4.4",
                                "%s offers no submission in the DNS (no SRV record %s): name "
                                "hosts in \"host =\" instead of srv:%s",
                                domain, buffer_text(&asked), domain);
    buffer_free(&asked);
    free(answer);
    return outcome;
}

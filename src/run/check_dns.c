/*
 * What is asked of the DNS, by the settings. What the answers mean is the matter of check/dns_*.c;
 * those look again and again, until they miss no answer any more.
 */
#include "run/check_dns.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "check/dns_ask.h"
#include "check/dns_inbound.h"
#include "check/dns_key.h"
#include "check/dns_list.h"
#include "check/dns_sender.h"
#include "config/dns_zone.h"
#include "config/host.h"
#include "config/paths.h"
#include "config/provider.h"
#include "mail/masquerade.h"
#include "net/dial.h"
#include "net/signing_key.h"
#include "run/confine.h"

enum { ROUND_MS = 6000 };

struct key {
    struct dkim_record record; /* all but .key points into the settings */
    char *public;
    char *show;
};

struct subjects {
    const struct settings *settings;
    struct dns_sender *senders;
    size_t sender_count;
    struct key *keys;
    size_t key_count;
    bool is_public; /* a listener takes mail from anybody */
    struct dns_inbound inbound;
    struct texts local, backup; /* domains that come in */
    struct texts block, allow;  /* lists, by name */
};

static bool has_text(const struct texts *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (text_equal(list->items[i], text))
            return true;
    return false;
}

/* A name that the world could know; no pattern. */
static bool is_askable(const char *domain)
{
    return strchr(domain, '.') && !strchr(domain, '*') && *domain != '.';
}

/* ---- senders ---- */

static bool has_way_out(const struct settings *settings)
{
    bool out = settings->smarthost_count > 0;
    for (size_t i = 0; i < settings->route_count; i++)
        out = out || settings->routes[i].via == VIA_HOSTS || settings->routes[i].via == VIA_MX;
    return out;
}

/* "a:HOST", "ip4:ADDRESS", "ip6:ADDRESS" */
static char *name_sender(const char *host)
{
    struct buffer text = {0};
    unsigned char binary[16];
    buffer_format(&text, "%s:%s",
                  inet_pton(AF_INET, host, binary) == 1    ? "ip4"
                  : inet_pton(AF_INET6, host, binary) == 1 ? "ip6"
                                                           : "a",
                  host);
    return buffer_take(&text);
}

static void add_wanted(struct dns_sender *sender, const struct provider *provider)
{
    for (size_t i = 0; i < sender->wanted_count; i++)
        if (strcmp(sender->wanted[i].spf, provider->spf) == 0)
            return;
    if (sender->wanted_count < DNS_WANTED_MOST)
        sender->wanted[sender->wanted_count++] =
            (struct dns_wanted){provider->title, provider->spf};
}

/* What a smarthost that takes its mail wants, as far as that is known. */
static void add_wanted_by(const struct smarthost *peer, struct dns_sender *sender)
{
    for (size_t i = 0; i < peer->hosts.count; i++) {
        struct host host;
        const char *why;
        if (text_starts(peer->hosts.items[i], "srv:") ||
            !host_parse(peer->hosts.items[i], &host, &why))
            continue;
        const struct provider *provider = provider_of_host(host.name);
        if (provider && provider->spf)
            add_wanted(sender, provider);
        else if (provider)
            sender->needs_none = true;
        else if (!sender->usual && !host_is_loopback(host.name))
            sender->usual = name_sender(host.name);
        free(host.name);
    }
}

static struct dns_sender *find_sender(struct subjects *subjects, const char *domain)
{
    for (size_t i = 0; i < subjects->sender_count; i++)
        if (text_equal(subjects->senders[i].domain, domain))
            return &subjects->senders[i];
    subjects->senders =
        memory_resize(subjects->senders, (subjects->sender_count + 1) * sizeof *subjects->senders);
    struct dns_sender *sender = &subjects->senders[subjects->sender_count++];
    *sender = (struct dns_sender){.domain = memory_copy(domain, strlen(domain))};
    return sender;
}

/* peer: that takes mail from there; NULL: none, it goes to the world by itself. */
static void add_sender(struct subjects *subjects, const char *domain, const struct smarthost *peer)
{
    if (!is_askable(domain))
        return;
    struct dns_sender *sender = find_sender(subjects, domain);
    if (peer)
        add_wanted_by(peer, sender);
}

/* By the smarthost that an address there would have. */
static void add_usual_sender(struct subjects *subjects, const char *domain)
{
    struct buffer address = {0};
    buffer_format(&address, "postmaster@%s", domain);
    add_sender(subjects, domain, settings_smarthost_for(subjects->settings, buffer_text(&address)));
    buffer_free(&address);
}

static void add_senders(struct subjects *subjects)
{
    const struct settings *settings = subjects->settings;
    struct masquerade masquerade = {0};
    if (!has_way_out(settings))
        return;
    add_usual_sender(subjects, settings->domain);
    masquerade_read(&settings->masquerade, &masquerade);
    for (size_t i = 0; i < masquerade.count; i++)
        if (masquerade.rules[i].address.domain)
            add_usual_sender(subjects, masquerade.rules[i].address.domain);
    masquerade_free(&masquerade);
    for (size_t i = 0; i < settings->smarthost_count; i++) {
        const struct texts *senders = &settings->smarthosts[i].senders;
        for (size_t k = 0; k < senders->count; k++) {
            const char *at = strrchr(senders->items[k], '@');
            if (at)
                add_sender(subjects, at + 1, &settings->smarthosts[i]);
        }
    }
    for (size_t i = 0; i < subjects->sender_count; i++) {
        struct dns_sender *sender = &subjects->senders[i];
        if (!sender->usual && !sender->wanted_count && !sender->needs_none)
            sender->usual = name_sender(settings->hostname);
    }
}

/* ---- keys ---- */

static char *name_command(const struct settings *settings, const struct dkim *dkim, size_t index)
{
    struct buffer text = {0};
    buffer_append_text(&text, "postrider dkim-key");
    if (strcmp(settings_file(settings), POSTRIDER_CONFIG) != 0)
        buffer_format(&text, " -C %s", settings->path);
    buffer_append_text(&text, " --show");
    if (index)
        buffer_format(&text, " --selector %s", dkim->selectors.items[index]);
    buffer_format(&text, " %s", dkim->domain);
    return buffer_take(&text);
}

static void add_key(struct subjects *subjects, const struct dkim *dkim, size_t index,
                    struct findings *findings)
{
    struct signing_key *key = NULL;
    struct buffer public = {0};
    struct outcome outcome = signing_key_load(dkim->keys.items[index], &key);
    if (outcome_good(&outcome))
        outcome = signing_key_format_public(key, &public);
    if (outcome_good(&outcome)) {
        subjects->keys =
            memory_resize(subjects->keys, (subjects->key_count + 1) * sizeof *subjects->keys);
        struct key *added = &subjects->keys[subjects->key_count++];
        *added = (struct key){.record = {.selector = dkim->selectors.items[index],
                                         .domain = dkim->domain,
                                         .type = signing_key_name(signing_key_type(key))},
                              .public = buffer_take(&public),
                              .show = name_command(subjects->settings, dkim, index)};
        added->record.key = added->public;
    } else {
        finding_add(findings, FINDING_HINT, "dkim",
                    "%s._domainkey.%s is not compared with the key: %s",
                    dkim->selectors.items[index], dkim->domain, outcome.reason);
    }
    signing_key_free(key);
    buffer_free(&public);
}

static void add_keys(struct subjects *subjects, struct findings *findings)
{
    for (size_t i = 0; i < subjects->settings->dkim_count; i++) {
        const struct dkim *dkim = &subjects->settings->dkims[i];
        for (size_t k = 0; k < dkim->selectors.count; k++)
            add_key(subjects, dkim, k, findings);
    }
}

/* ---- what comes in ---- */

static bool is_loopback(const char *address)
{
    struct host host;
    const char *why;
    /* "*" is no host. */
    bool loopback = host_parse(address, &host, &why) && host_is_loopback(host.name);
    free(host.name);
    return loopback;
}

static bool takes_from_anybody(const struct listener *listener)
{
    bool others = false;
    for (size_t i = 0; i < listener->addresses.count; i++)
        others = others || !is_loopback(listener->addresses.items[i]);
    return others && !listener->require_auth;
}

static void add_domains(const struct texts *domains, const struct texts *others, struct texts *list)
{
    for (size_t i = 0; i < domains->count; i++)
        if (is_askable(domains->items[i]) && !has_text(list, domains->items[i]) &&
            !has_text(others, domains->items[i]))
            texts_add(list, domains->items[i]);
}

static void add_own_addresses(struct texts *own)
{
    struct ifaddrs *interfaces;
    char text[INET6_ADDRSTRLEN];
    if (getifaddrs(&interfaces) < 0)
        return;
    for (const struct ifaddrs *one = interfaces; one; one = one->ifa_next) {
        const struct sockaddr *address = one->ifa_addr;
        if (!address || dial_is_loopback(address))
            continue;
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;
        if ((address->sa_family == AF_INET &&
             inet_ntop(AF_INET, &four->sin_addr, text, sizeof text)) ||
            (address->sa_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr) &&
             inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text)))
            texts_add(own, text);
    }
    freeifaddrs(interfaces);
}

static void add_inbound(struct subjects *subjects)
{
    const struct settings *settings = subjects->settings;
    static const struct texts none;
    for (size_t i = 0; i < settings->listener_count; i++) {
        const struct listener *listener = &settings->listeners[i];
        if (!takes_from_anybody(listener))
            continue;
        subjects->is_public = true;
        add_domains(&settings->local_domains, &none, &subjects->local);
        add_domains(&listener->relay_domains, &subjects->local, &subjects->backup);
    }
    subjects->is_public = subjects->is_public && is_askable(settings->hostname);
    subjects->inbound.hostname = settings->hostname;
    add_own_addresses(&subjects->inbound.own);
}

/* ---- lists ---- */

static void add_zones(const struct texts *items, struct texts *names)
{
    for (size_t i = 0; i < items->count; i++) {
        struct dns_zone zone;
        const char *why;
        if (!dns_zone_parse(items->items[i], &zone, &why))
            continue;
        if (!has_text(names, zone.name))
            texts_add(names, zone.name);
        dns_zone_free(&zone);
    }
}

/* ---- all of it ---- */

static void look(struct dns_book *book, const struct subjects *subjects, struct findings *findings)
{
    for (size_t i = 0; i < subjects->sender_count; i++)
        dns_sender_look(book, &subjects->senders[i], findings);
    for (size_t i = 0; i < subjects->key_count; i++)
        dns_key_look(book, &subjects->keys[i].record, subjects->keys[i].show, findings);
    if (subjects->is_public)
        dns_inbound_look_host(book, &subjects->inbound, findings);
    for (size_t i = 0; i < subjects->local.count; i++)
        dns_inbound_look_domain(book, &subjects->inbound, subjects->local.items[i], false,
                                findings);
    for (size_t i = 0; i < subjects->backup.count; i++)
        dns_inbound_look_domain(book, &subjects->inbound, subjects->backup.items[i], true,
                                findings);
    for (size_t i = 0; i < subjects->block.count; i++)
        dns_list_look(book, "dnsbl", subjects->block.items[i], findings);
    for (size_t i = 0; i < subjects->allow.count; i++)
        dns_list_look(book, "dnswl", subjects->allow.items[i], findings);
}

static void look_until_known(const struct subjects *subjects, int64_t deadline,
                             struct findings *findings)
{
    static const struct resolver resolver;
    struct dns_book book = {0};
    struct findings found = {0};
    const char *trouble;
    int64_t end;
    do {
        finding_free(&found);
        look(&book, subjects, &found);
        end = clock_ms() + ROUND_MS;
        trouble = dns_ask_trouble(&book);
    } while (!trouble && dns_ask(&book, &resolver, end < deadline ? end : deadline));
    if (trouble) {
        finding_add(findings, FINDING_FAULT, "dns", "there is no answer from the DNS: %s", trouble);
        finding_remedy(findings, "mend the nameserver lines in /etc/resolv.conf");
    } else {
        finding_take(findings, &found);
    }
    finding_free(&found);
    dns_book_free(&book);
}

static void free_subjects(struct subjects *subjects)
{
    for (size_t i = 0; i < subjects->sender_count; i++)
        dns_sender_free(&subjects->senders[i]);
    free(subjects->senders);
    for (size_t i = 0; i < subjects->key_count; i++) {
        free(subjects->keys[i].public);
        free(subjects->keys[i].show);
    }
    free(subjects->keys);
    texts_free(&subjects->inbound.own);
    texts_free(&subjects->local);
    texts_free(&subjects->backup);
    texts_free(&subjects->block);
    texts_free(&subjects->allow);
}

void check_dns(const void *context, struct findings *findings)
{
    const struct dns_question *question = context;
    const struct settings *settings = question->settings;
    struct subjects subjects = {.settings = settings};
    add_senders(&subjects);
    add_keys(&subjects, findings);
    add_inbound(&subjects);
    add_zones(&settings->filter.dnsbl, &subjects.block);
    add_zones(&settings->filter.dnswl, &subjects.allow);
    struct outcome outcome = confine(NULL, NULL);
    if (outcome_good(&outcome))
        look_until_known(&subjects, question->deadline, findings);
    else
        finding_add(findings, FINDING_FAULT, "dns", "nothing was asked: %s", outcome.reason);
    free_subjects(&subjects);
}

/* See filtering.h. */
#include "config/filtering.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "config/dns_zone.h"
#include "config/host.h"
#include "config/network.h"
#include "mail/address.h"
#include "mail/domain.h"

static const char file_prefix[] = "file:", unix_prefix[] = "unix:", inet_prefix[] = "inet:";

const char *filtering_file(const char *item)
{
    return text_starts(item, file_prefix) ? item + strlen(file_prefix) : NULL;
}

/* Items that are files get whole paths; others go through parse. */
static struct outcome add_items(const struct setting *setting, const char *text,
                                bool (*parse)(const char *, struct buffer *, const char **))
{
    struct texts *list = value_place(setting), items = {0};
    struct outcome outcome = outcome_done();
    texts_split(&items, text);
    for (size_t i = 0; i < items.count && outcome_good(&outcome); i++) {
        const char *path = filtering_file(items.items[i]);
        char *whole = NULL;
        struct buffer item = {0};
        if (!path) {
            outcome = value_store_list(setting, items.items[i], parse);
            continue;
        }
        if (!*path)
            outcome = value_wrong(setting, items.items[i], "no path behind \"file:\"");
        else
            outcome = value_make_path(setting, path, &whole);
        buffer_format(&item, "%s%s", file_prefix, whole ? whole : "");
        if (outcome_good(&outcome))
            texts_add(list, buffer_text(&item));
        buffer_free(&item);
        free(whole);
    }
    texts_free(&items);
    return outcome;
}

bool filtering_parse_helo(const char *text, struct buffer *name, const char **why)
{
    if (strchr(text, '*') || *text == '[') {
        *why = "an item is one word";
        buffer_append_text(name, text);
        return !strpbrk(text, " \t");
    }
    char *domain;
    if (!domain_parse(text, strlen(text), &domain, why))
        return false;
    buffer_append_text(name, domain);
    free(domain);
    return true;
}

static bool parse_network(const char *text, struct buffer *item, const char **why)
{
    struct network network;
    buffer_append_text(item, text);
    return network_parse(text, &network, why);
}

struct outcome filtering_set_list_senders(const struct setting *setting, const char *text)
{
    return add_items(setting, text, value_parse_sender);
}

struct outcome filtering_set_list_helo(const struct setting *setting, const char *text)
{
    return add_items(setting, text, filtering_parse_helo);
}

struct outcome filtering_set_list_networks(const struct setting *setting, const char *text)
{
    return add_items(setting, text, parse_network);
}

static bool parse_zone(const char *text, struct buffer *item, const char **why)
{
    struct dns_zone zone;
    if (!dns_zone_parse(text, &zone, why))
        return false;
    buffer_append_text(item, zone.name);
    buffer_append_text(item, text + strcspn(text, "=*"));
    dns_zone_free(&zone);
    return true;
}

static bool parse_allowing_zone(const char *text, struct buffer *item, const char **why)
{
    *why = "whom such a list has is let in: no weight is wanted";
    return !strchr(text, '*') && parse_zone(text, item, why);
}

static struct outcome store_zones(const struct setting *setting, const char *text,
                                  bool (*parse)(const char *, struct buffer *, const char **))
{
    struct outcome outcome = value_store_list(setting, text, parse);
    const struct texts *list = value_place(setting);
    if (outcome_good(&outcome) && list->count > DNS_ZONES_MOST)
        outcome = value_wrong(setting, text, "these are too many lists, 32 are the most");
    return outcome;
}

struct outcome filtering_set_dnsbl(const struct setting *setting, const char *text)
{
    return store_zones(setting, text, parse_zone);
}

struct outcome filtering_set_dnswl(const struct setting *setting, const char *text)
{
    return store_zones(setting, text, parse_allowing_zone);
}

static bool parse_milter(const char *text, struct buffer *item, const char **why)
{
    buffer_append_text(item, text);
    *why = "unix:/path or inet:host:port is wanted";
    if (text_starts(text, unix_prefix))
        return text[strlen(unix_prefix)] == '/';
    struct host host;
    bool good =
        text_starts(text, inet_prefix) && host_parse(text + strlen(inet_prefix), &host, why);
    if (!good)
        return false;
    good = host.port != 0;
    free(host.name);
    *why = "a port is wanted, as in inet:127.0.0.1:8891";
    return good;
}

struct outcome filtering_set_milters(const struct setting *setting, const char *text)
{
    return value_store_list(setting, text, parse_milter);
}

struct outcome filtering_set_contact(const struct setting *setting, const char *text)
{
    struct address address = {0};
    const char *why;
    if (*text && !address_parse(text, &address, &why))
        return value_wrong(setting, text, why);
    address_free(&address);
    return value_set_text(setting, text);
}

/* In the order of enum milter_default. */
struct outcome filtering_set_milter_default(const struct setting *setting, const char *text)
{
    static const char *const choices[] = {"tempfail", "accept", "reject", NULL};
    unsigned index;
    struct outcome outcome = value_choose(setting, text, choices, &index);
    if (outcome_good(&outcome))
        *(enum milter_default *)value_place(setting) = (enum milter_default)index;
    return outcome;
}

/* In the order of enum spf_mode. */
struct outcome filtering_set_spf(const struct setting *setting, const char *text)
{
    static const char *const choices[] = {"off", "mark", "reject", NULL};
    unsigned index;
    struct outcome outcome = value_choose(setting, text, choices, &index);
    if (outcome_good(&outcome))
        *(enum spf_mode *)value_place(setting) = (enum spf_mode)index;
    return outcome;
}

bool filtering_is_empty(const struct filtering *filter)
{
    return !filter->block_senders.count && !filter->block_clients.count &&
           !filter->block_helo.count && !filter->dnsbl.count && !filter->greylist &&
           !filter->milters.count && filter->spf == SPF_OFF;
}

bool filtering_needs_internet(const struct filtering *filter)
{
    /* Milters are told the client's name, wherever they are. */
    return filter->milters.count || filter->dnsbl.count || filter->dnswl.count ||
           filter->spf != SPF_OFF;
}

bool filtering_shares(const struct filtering *filter)
{
    return filter->greylist || filter->dnsbl.count || filter->dnswl.count;
}

struct outcome filtering_check(const struct filtering *filter, const char *path)
{
    if (filter->greylist && filter->greylist_window <= filter->greylist_delay)
        return outcome_refuse(EX_CONFIG,
                              "%s: greylist_window must be longer than greylist_delay: who has to "
                              "come again could not do it in time",
                              path);
    return outcome_done();
}

void filtering_free(struct filtering *filter)
{
    struct texts *lists[] = {&filter->block_senders, &filter->allow_senders, &filter->block_clients,
                             &filter->allow_clients, &filter->block_helo,    &filter->allow_helo,
                             &filter->dnsbl,         &filter->dnswl,         &filter->milters};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        texts_free(lists[i]);
    free(filter->contact);
    filter->contact = NULL;
}

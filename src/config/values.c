/* How texts of settings become values (see values.h). */
#include "config/values.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "config/command.h"
#include "config/host.h"
#include "config/network.h"
#include "config/settings.h"
#include "config/via.h"
#include "mail/address.h"
#include "mail/domain.h"

enum { MOST_RATE = 100000 };

void *value_place(const struct setting *setting)
{
    return (char *)setting->structure + setting->key->offset;
}

struct outcome value_wrong(const struct setting *setting, const char *text, const char *why)
{
    return reader_fault(setting->entry, "%s = %.100s: %s", setting->key->name, text, why);
}

static struct outcome out_of_range(const struct setting *setting, const char *text,
                                   const char *what)
{
    return reader_fault(setting->entry, "%s = %.100s: %s from %s to %s is wanted",
                        setting->key->name, text, what, setting->key->low, setting->key->high);
}

/* Keeps an owned string in the place of the one before. */
static struct outcome keep(const struct setting *setting, char *owned)
{
    char **place = value_place(setting);
    free(*place);
    *place = owned;
    return outcome_done();
}

struct outcome value_set_text(const struct setting *setting, const char *text)
{
    return keep(setting, memory_copy(text, strlen(text)));
}

struct outcome value_set_domain(const struct setting *setting, const char *text)
{
    char *domain;
    const char *why;
    if (!domain_parse(text, strlen(text), &domain, &why))
        return value_wrong(setting, text, why);
    return keep(setting, domain);
}

bool value_parse_domain(const char *text, struct buffer *pattern, const char **why)
{
    bool below = strncmp(text, "*.", 2) == 0;
    const char *name = below ? text + 2 : text;
    char *domain = NULL;
    if (below)
        buffer_append_text(pattern, "*.");
    if (strcmp(text, "*") == 0) {
        buffer_append_text(pattern, "*");
        return true;
    }
    if (*name == '[' ? !domain_parse_literal(name, strlen(name), &domain, why)
                     : !domain_parse(name, strlen(name), &domain, why))
        return false;
    buffer_append_text(pattern, domain);
    free(domain);
    return true;
}

static bool parse_host_item(const char *text, struct buffer *item, const char **why)
{
    struct host host;
    if (text_starts(text, "srv:")) {
        char *domain;
        if (!domain_parse(text + 4, strlen(text + 4), &domain, why))
            return false;
        buffer_format(item, "srv:%s", domain);
        free(domain);
        return true;
    }
    if (!host_parse(text, &host, why))
        return false;
    buffer_format(item, strchr(host.name, ':') ? "[%s]" : "%s", host.name);
    if (host.port)
        buffer_format(item, ":%u", host.port);
    free(host.name);
    return true;
}

/* What a label with a '*' would be in A-labels nobody knows: such a one has to be ASCII. */
static bool parse_pattern(const char *text, struct buffer *sender, const char **why)
{
    const char *domain = strrchr(text, '@');
    for (const char *c = domain ? domain : ""; *c; c++)
        if ((unsigned char)*c > 127) {
            *why = "in a pattern with '*' the domain is to be written as xn--...";
            return false;
        }
    buffer_append_text(sender, text);
    return true;
}

bool value_parse_sender(const char *text, struct buffer *sender, const char **why)
{
    if (strchr(text, '*'))
        return parse_pattern(text, sender, why);
    if (*text == '@') {
        char *domain;
        if (!domain_parse(text + 1, strlen(text + 1), &domain, why))
            return false;
        buffer_format(sender, "@%s", domain);
        free(domain);
        return true;
    }
    struct address address;
    if (!address_parse(text, &address, why))
        return false;
    *why = "neither an address, nor @domain, nor a pattern with '*'";
    bool whole = address.domain != NULL;
    address_format(&address, sender);
    address_free(&address);
    return whole;
}

struct outcome value_store_list(const struct setting *setting, const char *text,
                                bool (*parse)(const char *, struct buffer *, const char **))
{
    struct texts *list = value_place(setting), items = {0};
    struct outcome outcome = outcome_done();
    texts_split(&items, text);
    for (size_t i = 0; i < items.count && outcome_good(&outcome); i++) {
        struct buffer item = {0};
        const char *why;
        if (parse(items.items[i], &item, &why))
            texts_add(list, buffer_text(&item));
        else
            outcome = value_wrong(setting, items.items[i], why);
        buffer_free(&item);
    }
    texts_free(&items);
    return outcome;
}

struct outcome value_set_domains(const struct setting *setting, const char *text)
{
    return value_store_list(setting, text, value_parse_domain);
}

static bool parse_selector(const char *text, struct buffer *selector, const char **why)
{
    char *name;
    if (!domain_parse(text, strlen(text), &name, why)) {
        *why = "a selector is a name such as mail or 2026-07, a label of the DNS";
        return false;
    }
    buffer_append_text(selector, name);
    free(name);
    return true;
}

struct outcome value_set_selectors(const struct setting *setting, const char *text)
{
    return value_store_list(setting, text, parse_selector);
}

struct outcome value_set_hosts(const struct setting *setting, const char *text)
{
    return value_store_list(setting, text, parse_host_item);
}

struct outcome value_set_senders(const struct setting *setting, const char *text)
{
    return value_store_list(setting, text, value_parse_sender);
}

/* A relative path counts from the folder of the settings, so that a whole folder can be moved. */
struct outcome value_make_path(const struct setting *setting, const char *text, char **path)
{
    if (*text == '~')
        return value_wrong(setting, text, "'~' means nothing here: write the whole path");
    struct buffer whole = {0};
    if (*text && *text != '/')
        buffer_format(&whole, "%s/", setting->folder);
    buffer_append_text(&whole, text);
    *path = buffer_take(&whole);
    return outcome_done();
}

struct outcome value_set_path(const struct setting *setting, const char *text)
{
    char *path = NULL;
    struct outcome outcome = value_make_path(setting, text, &path);
    return outcome_good(&outcome) ? keep(setting, path) : outcome;
}

struct outcome value_set_paths(const struct setting *setting, const char *text)
{
    struct texts *list = value_place(setting), items = {0};
    struct outcome outcome = outcome_done();
    texts_split(&items, text);
    for (size_t i = 0; i < items.count && outcome_good(&outcome); i++) {
        char *path = NULL;
        outcome = value_make_path(setting, items.items[i], &path);
        if (outcome_good(&outcome)) {
            texts_add(list, path);
            free(path);
        }
    }
    texts_free(&items);
    return outcome;
}

struct outcome value_set_trust(const struct setting *setting, const char *text)
{
    return strcmp(text, "system") == 0 ? value_set_text(setting, text)
                                       : value_set_path(setting, text);
}

struct outcome value_set_size(const struct setting *setting, const char *text)
{
    uint64_t low, high, value;
    if (!text_to_size(setting->key->low, &low) || !text_to_size(setting->key->high, &high))
        impossible("a range that is none");
    if (!text_to_size(text, &value) || value < low || value > high)
        return out_of_range(setting, text, "a size such as 50M");
    *(uint64_t *)value_place(setting) = value;
    return outcome_done();
}

static bool parse_seconds(const struct key *key, const char *text, uint64_t *value)
{
    uint64_t low, high;
    if (!text_to_seconds(key->low, &low) || !text_to_seconds(key->high, &high))
        impossible("a range that is none");
    return text_to_seconds(text, value) && *value >= low && *value <= high;
}

static const char a_time[] = "a time such as 90s, 15m, 4h or 5d";

struct outcome value_set_seconds(const struct setting *setting, const char *text)
{
    uint64_t value;
    if (!parse_seconds(setting->key, text, &value))
        return out_of_range(setting, text, a_time);
    *(uint64_t *)value_place(setting) = value;
    return outcome_done();
}

struct outcome value_set_seconds_list(const struct setting *setting, const char *text)
{
    uint64_t **times = value_place(setting);
    size_t *count = (size_t *)((char *)setting->structure + setting->key->count_offset);
    struct texts items = {0};
    struct outcome outcome = outcome_done();
    texts_split(&items, text);
    *times = memory_resize(*times, (*count + items.count) * sizeof **times);
    for (size_t i = 0; i < items.count && outcome_good(&outcome); i++) {
        uint64_t value;
        if (parse_seconds(setting->key, items.items[i], &value))
            (*times)[(*count)++] = value;
        else
            outcome = out_of_range(setting, items.items[i], a_time);
    }
    texts_free(&items);
    return outcome;
}

struct outcome value_set_number(const struct setting *setting, const char *text)
{
    uint64_t low, high, value;
    if (!text_to_number(setting->key->low, 0, UINT32_MAX, &low) ||
        !text_to_number(setting->key->high, 0, UINT32_MAX, &high))
        impossible("a range that is none");
    if (!text_to_number(text, low, high, &value))
        return out_of_range(setting, text, "a number");
    *(unsigned *)value_place(setting) = (unsigned)value;
    return outcome_done();
}

/* The index of a word; an error names them all. */
struct outcome value_choose(const struct setting *setting, const char *text,
                            const char *const *choices, unsigned *index)
{
    for (*index = 0; choices[*index]; ++*index)
        if (text_equal(choices[*index], text))
            return outcome_done();
    struct buffer all = {0};
    for (size_t i = 0; choices[i]; i++)
        buffer_format(&all, "%s%s", i == 0 ? "" : choices[i + 1] ? ", " : " or ", choices[i]);
    struct outcome outcome = reader_fault(setting->entry, "%s = %.100s: %s is wanted",
                                          setting->key->name, text, buffer_text(&all));
    buffer_free(&all);
    return outcome;
}

/* In the order of enum tls_mode. */
static const char *const tls_modes[] = {"starttls", "implicit", "opportunistic", "off", NULL};

struct outcome value_set_tls(const struct setting *setting, const char *text)
{
    unsigned index;
    struct outcome outcome = value_choose(setting, text, tls_modes, &index);
    if (outcome_good(&outcome))
        *(enum tls_mode *)value_place(setting) = (enum tls_mode)index;
    return outcome;
}

const char *value_tls_name(enum tls_mode tls)
{
    return tls_modes[tls];
}

struct outcome value_set_flag(const struct setting *setting, const char *text)
{
    static const char *const flags[] = {"no", "yes", "off", "on", NULL};
    unsigned index;
    struct outcome outcome = value_choose(setting, text, flags, &index);
    if (outcome_good(&outcome))
        *(bool *)value_place(setting) = index % 2 == 1;
    return outcome;
}

/* In the order of enum auth_mode. */
static const char *const auth_modes[] = {"auto",     "plain",    "login",       "scram-sha-256",
                                         "cram-md5", "external", "oauthbearer", "xoauth2",
                                         "off",      NULL};

struct outcome value_set_auth(const struct setting *setting, const char *text)
{
    unsigned index;
    struct outcome outcome = value_choose(setting, text, auth_modes, &index);
    if (outcome_good(&outcome))
        *(enum auth_mode *)value_place(setting) = (enum auth_mode)index;
    return outcome;
}

const char *value_auth_name(enum auth_mode auth)
{
    return auth_modes[auth];
}

/* Stored as 64 lower-case digits; openssl's way with colons between the bytes is taken, too. */
struct outcome value_set_fingerprint(const struct setting *setting, const char *text)
{
    struct buffer digits = {0};
    bool good = true;
    size_t run = 0;
    for (const char *c = text; *c && good; c++) {
        if (*c == ':') {
            good = run == 2 && c[1];
            run = 0;
            continue;
        }
        good = strchr("0123456789abcdefABCDEF", *c) != NULL;
        buffer_append_byte(&digits, *c);
        run++;
    }
    if (!good || (digits.length != 0 && digits.length != 64)) {
        buffer_free(&digits);
        return value_wrong(setting, text, "a SHA-256 fingerprint has 64 hexadecimal digits");
    }
    char *fingerprint = buffer_take(&digits);
    text_lower(fingerprint);
    return keep(setting, fingerprint);
}

struct outcome value_set_rate(const struct setting *setting, const char *text)
{
    struct rate *rate = value_place(setting);
    *rate = (struct rate){0};
    if (*text && (!text_to_rate(text, &rate->count, &rate->seconds) || rate->count > MOST_RATE))
        return value_wrong(setting, text,
                           "a rate such as 10/m, 100/h or 2000/d, up to 100000, is wanted");
    return outcome_done();
}

struct outcome value_set_via(const struct setting *setting, const char *text)
{
    struct route *route = setting->structure;
    const char *why;
    if (setting->entry->continued && route->via != VIA_HOSTS)
        return value_wrong(setting, text, "only a list of hosts goes on in the next line");
    if (!setting->entry->continued && !via_parse(text, route, &why))
        return value_wrong(setting, text, why);
    return route->via == VIA_HOSTS ? value_set_hosts(setting, text) : outcome_done();
}

/* "pattern: address". */
static bool parse_masquerade(const char *text, struct buffer *item, const char **why)
{
    struct address address;
    const char *colon = strchr(text, ':');
    *why = "\"PATTERN: ADDRESS\" is wanted, such as cron@*: alerts@example.org";
    if (!colon || colon == text)
        return false;
    size_t length = (size_t)(colon - text);
    while (length > 0 && strchr(" \t", text[length - 1]))
        length--;
    if (length == 0 || memchr(text, ' ', length) ||
        !address_parse(colon + 1 + strspn(colon + 1, " \t"), &address, why))
        return false;
    *why = "the address needs a domain";
    bool whole = address.domain != NULL;
    buffer_append(item, text, length);
    buffer_append_text(item, ": ");
    address_format(&address, item);
    address_free(&address);
    return whole;
}

struct outcome value_set_masquerade(const struct setting *setting, const char *text)
{
    return value_store_list(setting, text, parse_masquerade);
}

struct outcome value_set_command(const struct setting *setting, const char *text)
{
    struct texts words = {0};
    const char *why;
    if (*text && !command_split(text, &words, &why))
        return value_wrong(setting, text, why);
    texts_free(&words);
    return value_set_text(setting, text);
}

/* "127.0.0.1:25", "[::1]:25", "*:25", "localhost". */
static bool parse_listen_address(const char *text, struct buffer *item, const char **why)
{
    *why = "a listener needs an address, not the name of a service";
    if (*text != '*')
        return !text_starts(text, "srv:") && parse_host_item(text, item, why);
    uint64_t port;
    *why = "no port from 1 to 65535 behind the '*'";
    buffer_append_text(item, text);
    return !text[1] || (text[1] == ':' && text_to_number(text + 2, 1, 65535, &port));
}

struct outcome value_set_listen_addresses(const struct setting *setting, const char *text)
{
    return value_store_list(setting, text, parse_listen_address);
}

static bool parse_network(const char *text, struct buffer *item, const char **why)
{
    struct network network;
    buffer_append_text(item, text);
    return network_parse(text, &network, why);
}

struct outcome value_set_networks(const struct setting *setting, const char *text)
{
    return value_store_list(setting, text, parse_network);
}

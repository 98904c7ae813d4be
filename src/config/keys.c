/* The table of settings and the kinds of values in it (see keys.h). */
#include "config/keys.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "config/command.h"
#include "config/host.h"
#include "config/network.h"
#include "config/paths.h"
#include "config/settings.h"
#include "config/spelling.h"
#include "config/via.h"
#include "mail/address.h"
#include "mail/domain.h"

enum { MOST_RATE = 100000 };

static void *place_of(const struct setting *setting)
{
    return (char *)setting->structure + setting->key->offset;
}

static struct outcome wrong(const struct setting *setting, const char *text, const char *why)
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
    char **place = place_of(setting);
    free(*place);
    *place = owned;
    return outcome_done();
}

static struct outcome set_text(const struct setting *setting, const char *text)
{
    return keep(setting, memory_copy(text, strlen(text)));
}

static struct outcome set_domain(const struct setting *setting, const char *text)
{
    char *domain;
    const char *why;
    if (!domain_parse(text, strlen(text), &domain, &why))
        return wrong(setting, text, why);
    return keep(setting, domain);
}

bool keys_parse_domain(const char *text, struct buffer *pattern, const char **why)
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

/* An address, "@domain", or a pattern with '*'. */
static bool parse_sender(const char *text, struct buffer *sender, const char **why)
{
    if (strchr(text, '*')) {
        buffer_append_text(sender, text);
        return true;
    }
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

static struct outcome set_list(const struct setting *setting, const char *text,
                               bool (*parse)(const char *, struct buffer *, const char **))
{
    struct texts *list = place_of(setting), items = {0};
    struct outcome outcome = outcome_done();
    texts_split(&items, text);
    for (size_t i = 0; i < items.count && outcome_good(&outcome); i++) {
        struct buffer item = {0};
        const char *why;
        if (parse(items.items[i], &item, &why))
            texts_add(list, buffer_text(&item));
        else
            outcome = wrong(setting, items.items[i], why);
        buffer_free(&item);
    }
    texts_free(&items);
    return outcome;
}

static struct outcome set_domains(const struct setting *setting, const char *text)
{
    return set_list(setting, text, keys_parse_domain);
}

static struct outcome set_hosts(const struct setting *setting, const char *text)
{
    return set_list(setting, text, parse_host_item);
}

static struct outcome set_senders(const struct setting *setting, const char *text)
{
    return set_list(setting, text, parse_sender);
}

/* A relative path counts from the folder of the settings, so that a whole folder can be moved. */
static struct outcome make_path(const struct setting *setting, const char *text, char **path)
{
    if (*text == '~')
        return wrong(setting, text, "'~' means nothing here: write the whole path");
    struct buffer whole = {0};
    if (*text && *text != '/')
        buffer_format(&whole, "%s/", setting->folder);
    buffer_append_text(&whole, text);
    *path = buffer_take(&whole);
    return outcome_done();
}

static struct outcome set_path(const struct setting *setting, const char *text)
{
    char *path;
    struct outcome outcome = make_path(setting, text, &path);
    return outcome_good(&outcome) ? keep(setting, path) : outcome;
}

static struct outcome set_paths(const struct setting *setting, const char *text)
{
    struct texts *list = place_of(setting), items = {0};
    struct outcome outcome = outcome_done();
    texts_split(&items, text);
    for (size_t i = 0; i < items.count && outcome_good(&outcome); i++) {
        char *path;
        outcome = make_path(setting, items.items[i], &path);
        if (outcome_good(&outcome)) {
            texts_add(list, path);
            free(path);
        }
    }
    texts_free(&items);
    return outcome;
}

static struct outcome set_trust(const struct setting *setting, const char *text)
{
    return strcmp(text, "system") == 0 ? set_text(setting, text) : set_path(setting, text);
}

static struct outcome set_size(const struct setting *setting, const char *text)
{
    uint64_t low, high, value;
    if (!text_to_size(setting->key->low, &low) || !text_to_size(setting->key->high, &high))
        impossible("a range that is none");
    if (!text_to_size(text, &value) || value < low || value > high)
        return out_of_range(setting, text, "a size such as 50M");
    *(uint64_t *)place_of(setting) = value;
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

static struct outcome set_seconds(const struct setting *setting, const char *text)
{
    uint64_t value;
    if (!parse_seconds(setting->key, text, &value))
        return out_of_range(setting, text, a_time);
    *(uint64_t *)place_of(setting) = value;
    return outcome_done();
}

static struct outcome set_seconds_list(const struct setting *setting, const char *text)
{
    uint64_t **times = place_of(setting);
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

static struct outcome set_number(const struct setting *setting, const char *text)
{
    uint64_t low, high, value;
    if (!text_to_number(setting->key->low, 0, UINT32_MAX, &low) ||
        !text_to_number(setting->key->high, 0, UINT32_MAX, &high))
        impossible("a range that is none");
    if (!text_to_number(text, low, high, &value))
        return out_of_range(setting, text, "a number");
    *(unsigned *)place_of(setting) = (unsigned)value;
    return outcome_done();
}

/* The index of a word; an error names them all. */
static struct outcome choose(const struct setting *setting, const char *text,
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

static struct outcome set_tls(const struct setting *setting, const char *text)
{
    unsigned index;
    struct outcome outcome = choose(setting, text, tls_modes, &index);
    if (outcome_good(&outcome))
        *(enum tls_mode *)place_of(setting) = (enum tls_mode)index;
    return outcome;
}

static struct outcome set_flag(const struct setting *setting, const char *text)
{
    static const char *const flags[] = {"no", "yes", NULL};
    unsigned index;
    struct outcome outcome = choose(setting, text, flags, &index);
    if (outcome_good(&outcome))
        *(bool *)place_of(setting) = index == 1;
    return outcome;
}

/* In the order of enum auth_mode. */
static const char *const auth_modes[] = {"auto",     "plain",    "login",       "scram-sha-256",
                                         "cram-md5", "external", "oauthbearer", "xoauth2",
                                         "off",      NULL};

static struct outcome set_auth(const struct setting *setting, const char *text)
{
    unsigned index;
    struct outcome outcome = choose(setting, text, auth_modes, &index);
    if (outcome_good(&outcome))
        *(enum auth_mode *)place_of(setting) = (enum auth_mode)index;
    return outcome;
}

/* Stored as 64 lower-case digits; openssl's way with colons between the bytes is taken, too. */
static struct outcome set_fingerprint(const struct setting *setting, const char *text)
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
        return wrong(setting, text, "a SHA-256 fingerprint has 64 hexadecimal digits");
    }
    char *fingerprint = buffer_take(&digits);
    text_lower(fingerprint);
    return keep(setting, fingerprint);
}

static struct outcome set_rate(const struct setting *setting, const char *text)
{
    struct rate *rate = place_of(setting);
    *rate = (struct rate){0};
    if (*text && (!text_to_rate(text, &rate->count, &rate->seconds) || rate->count > MOST_RATE))
        return wrong(setting, text,
                     "a rate such as 10/m, 100/h or 2000/d, up to 100000, is wanted");
    return outcome_done();
}

static struct outcome set_via(const struct setting *setting, const char *text)
{
    struct route *route = setting->structure;
    const char *why;
    if (setting->entry->continued && route->via != VIA_HOSTS)
        return wrong(setting, text, "only a list of hosts goes on in the next line");
    if (!setting->entry->continued && !via_parse(text, route, &why))
        return wrong(setting, text, why);
    return route->via == VIA_HOSTS ? set_hosts(setting, text) : outcome_done();
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

static struct outcome set_masquerade(const struct setting *setting, const char *text)
{
    return set_list(setting, text, parse_masquerade);
}

static struct outcome set_command(const struct setting *setting, const char *text)
{
    struct texts words = {0};
    const char *why;
    if (*text && !command_split(text, &words, &why))
        return wrong(setting, text, why);
    texts_free(&words);
    return set_text(setting, text);
}

/* "127.0.0.1:25", "[::1]:25", "*:25", "localhost". */
static bool parse_listen_address(const char *text, struct buffer *item, const char **why)
{
    if (*text != '*')
        return !text_starts(text, "srv:") && parse_host_item(text, item, why);
    uint64_t port;
    *why = "no port from 1 to 65535 behind the '*'";
    buffer_append_text(item, text);
    return !text[1] || (text[1] == ':' && text_to_number(text + 2, 1, 65535, &port));
}

static struct outcome set_listen_addresses(const struct setting *setting, const char *text)
{
    return set_list(setting, text, parse_listen_address);
}

static bool parse_network(const char *text, struct buffer *item, const char **why)
{
    struct network network;
    buffer_append_text(item, text);
    return network_parse(text, &network, why);
}

static struct outcome set_networks(const struct setting *setting, const char *text)
{
    return set_list(setting, text, parse_network);
}

#define IN_SETTINGS(field)  .offset = offsetof(struct settings, field)
#define IN_SMARTHOST(field) .offset = offsetof(struct smarthost, field)
#define IN_ROUTE(field)     .offset = offsetof(struct route, field)
#define IN_LISTENER(field)  .offset = offsetof(struct listener, field)

/* clang-format off */
const struct key keys[] = {
    {"mail", "hostname", set_domain, IN_SETTINGS(hostname), .filled = true},
    {"mail", "domain", set_domain, IN_SETTINGS(domain), .filled = true},
    {"mail", "local_domains", set_domains, IN_SETTINGS(local_domains), .list = true},
    {"mail", "aliases", set_paths, IN_SETTINGS(aliases), .list = true, .initial = POSTRIDER_ALIASES},
    {"mail", "mailbox_directory", set_path, IN_SETTINGS(mailbox_directory), .filled = true,
     .initial = "/var/mail"},
    {"mail", "log_file", set_path, IN_SETTINGS(log_file), .initial = ""},
    {"mail", "max_message_size", set_size, IN_SETTINGS(max_message_size), .initial = "50M",
     .low = "1K", .high = "1024G"},
    {"mail", "max_hops", set_number, IN_SETTINGS(max_hops), .initial = "30", .low = "1",
     .high = "1000"},
    {"mail", "masquerade", set_masquerade, IN_SETTINGS(masquerade), .list = true},
    {"mail", "alias_files", set_text, IN_SETTINGS(alias_files), .initial = ""},
    {"mail", "alias_commands", set_text, IN_SETTINGS(alias_commands), .initial = ""},
    {"mail", "alias_time", set_seconds, IN_SETTINGS(alias_time), .initial = "5m", .low = "1s",
     .high = "1d"},

    {"smarthost", "senders", set_senders, IN_SMARTHOST(senders), .list = true},
    {"smarthost", "host", set_hosts, IN_SMARTHOST(hosts), .list = true},
    {"smarthost", "port", set_number, IN_SMARTHOST(port), .low = "1", .high = "65535"},
    {"smarthost", "tls", set_tls, IN_SMARTHOST(tls), .initial = "starttls"},
    {"smarthost", "tls_trust", set_trust, IN_SMARTHOST(tls_trust), .filled = true,
     .initial = "system"},
    {"smarthost", "tls_fingerprint", set_fingerprint, IN_SMARTHOST(tls_fingerprint),
     .initial = ""},
    {"smarthost", "tls_certificate", set_path, IN_SMARTHOST(tls_certificate), .initial = ""},
    {"smarthost", "tls_key", set_path, IN_SMARTHOST(tls_key), .initial = ""},
    {"smarthost", "auth", set_auth, IN_SMARTHOST(auth), .initial = "auto"},
    {"smarthost", "user", set_text, IN_SMARTHOST(user), .initial = ""},
    {"smarthost", "password_command", set_command, IN_SMARTHOST(password_command), .initial = ""},
    {"smarthost", "connections", set_number, IN_SMARTHOST(connections), .initial = "4",
     .low = "1", .high = "100"},
    {"smarthost", "rate", set_rate, IN_SMARTHOST(rate), .initial = ""},

    {"route", "via", set_via, IN_ROUTE(to.hosts), .list = true, .filled = true},
    {"route", "port", set_number, IN_ROUTE(to.port), .initial = "25", .low = "1",
     .high = "65535"},
    {"route", "tls", set_tls, IN_ROUTE(to.tls), .initial = "starttls"},
    {"route", "tls_trust", set_trust, IN_ROUTE(to.tls_trust), .filled = true,
     .initial = "system"},
    {"route", "tls_fingerprint", set_fingerprint, IN_ROUTE(to.tls_fingerprint), .initial = ""},
    {"route", "connections", set_number, IN_ROUTE(to.connections), .initial = "4", .low = "1",
     .high = "100"},
    {"route", "rate", set_rate, IN_ROUTE(to.rate), .initial = ""},
    {"route", "retry", set_seconds_list, IN_ROUTE(retry), .list = true,
     .count_offset = offsetof(struct route, retry_count), .low = "1s", .high = "4w"},
    {"route", "lifetime", set_seconds, IN_ROUTE(lifetime), .low = "1s", .high = "52w"},

    {"queue", "directory", set_path, IN_SETTINGS(queue_directory), .filled = true},
    {"queue", "retry", set_seconds_list, IN_SETTINGS(retry), .list = true,
     .count_offset = offsetof(struct settings, retry_count),
     .initial = "5m, 15m, 30m, 1h, 2h, 4h", .low = "1s", .high = "4w"},
    {"queue", "warn", set_seconds, IN_SETTINGS(warn), .initial = "4h", .low = "0", .high = "52w"},
    {"queue", "lifetime", set_seconds, IN_SETTINGS(lifetime), .initial = "5d", .low = "1s",
     .high = "52w"},

    {"listen", "address", set_listen_addresses, IN_LISTENER(addresses), .list = true,
     .filled = true, .initial = "127.0.0.1, [::1]"},
    {"listen", "tls", set_tls, IN_LISTENER(tls), .initial = "off"},
    {"listen", "tls_certificate", set_paths, IN_LISTENER(tls_certificates), .list = true},
    {"listen", "tls_key", set_paths, IN_LISTENER(tls_keys), .list = true},
    {"listen", "tls_client_ca", set_path, IN_LISTENER(tls_client_ca), .initial = ""},
    {"listen", "require_tls", set_flag, IN_LISTENER(require_tls), .initial = "no"},
    {"listen", "require_auth", set_flag, IN_LISTENER(require_auth), .initial = "no"},
    {"listen", "users", set_path, IN_LISTENER(users), .initial = ""},
    {"listen", "own_sender", set_flag, IN_LISTENER(own_sender), .initial = "no"},
    {"listen", "relay_networks", set_networks, IN_LISTENER(relay_networks), .list = true,
     .initial = "127.0.0.0/8, ::1"},
    {"listen", "relay_domains", set_domains, IN_LISTENER(relay_domains), .list = true},
    {"listen", "etrn_networks", set_networks, IN_LISTENER(etrn_networks), .list = true},
    {"listen", "max_connections", set_number, IN_LISTENER(max_connections), .initial = "100",
     .low = "1", .high = "100000"},
    {"listen", "max_connections_per_client", set_number,
     IN_LISTENER(max_connections_per_client), .initial = "10", .low = "1", .high = "100000"},
    {"listen", "max_recipients", set_number, IN_LISTENER(max_recipients), .initial = "1000",
     .low = "100", .high = "100000"},
    {"listen", "timeout", set_seconds, IN_LISTENER(timeout), .initial = "5m", .low = "1s",
     .high = "1h"},
};
/* clang-format on */
const size_t key_count = sizeof keys / sizeof keys[0];
_Static_assert(sizeof keys / sizeof keys[0] <= KEYS_MOST, "settings.c notes which keys it saw");

bool keys_has_section(const char *section)
{
    for (size_t i = 0; i < key_count; i++)
        if (text_equal(keys[i].section, section))
            return true;
    return false;
}

const struct key *keys_find(const char *section, const char *name)
{
    for (size_t i = 0; i < key_count; i++)
        if (text_equal(keys[i].section, section) && text_equal(keys[i].name, name))
            return &keys[i];
    return NULL;
}

const char *keys_nearest_section(const char *section)
{
    const char *nearest = keys[0].section;
    for (size_t i = 1; i < key_count; i++)
        if (spelling_distance(section, keys[i].section) < spelling_distance(section, nearest))
            nearest = keys[i].section;
    return nearest;
}

const char *keys_nearest(const char *section, const char *name)
{
    const char *nearest = NULL;
    for (size_t i = 0; i < key_count; i++)
        if (text_equal(keys[i].section, section) &&
            (!nearest || spelling_distance(name, keys[i].name) < spelling_distance(name, nearest)))
            nearest = keys[i].name;
    return nearest;
}

struct outcome keys_set(const struct setting *setting, const char *text)
{
    if (setting->key->filled && !*text && !setting->entry->continued)
        return reader_fault(setting->entry,
                            "%s may not be empty: give it a value, or take the line out for the "
                            "default",
                            setting->key->name);
    return setting->key->set(setting, text);
}

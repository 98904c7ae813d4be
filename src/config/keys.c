/* The table of settings (see keys.h); values.h has the kinds of values. */
#include "config/keys.h"

#include <string.h>

#include "base/text.h"
#include "config/filtering.h"
#include "config/paths.h"
#include "config/settings.h"
#include "config/spelling.h"

#define IN_SETTINGS(field)  .offset = offsetof(struct settings, field)
#define IN_SMARTHOST(field) .offset = offsetof(struct smarthost, field)
#define IN_ROUTE(field)     .offset = offsetof(struct route, field)
#define IN_LISTENER(field)  .offset = offsetof(struct listener, field)
#define IN_DKIM(field)      .offset = offsetof(struct dkim, field)

/* clang-format off */
const struct key keys[] = {
    {"mail", "hostname", value_set_domain, IN_SETTINGS(hostname), .filled = true},
    {"mail", "domain", value_set_domain, IN_SETTINGS(domain), .filled = true},
    {"mail", "local_domains", value_set_domains, IN_SETTINGS(local_domains), .list = true},
    {"mail", "aliases", value_set_paths, IN_SETTINGS(aliases), .list = true,
     .initial = POSTRIDER_ALIASES},
    {"mail", "mailbox_directory", value_set_path, IN_SETTINGS(mailbox_directory), .filled = true,
     .initial = POSTRIDER_MAILDIR},
    {"mail", "log_file", value_set_path, IN_SETTINGS(log_file), .initial = ""},
    {"mail", "max_message_size", value_set_size, IN_SETTINGS(max_message_size), .initial = "50M",
     .low = "1K", .high = "1024G"},
    {"mail", "max_hops", value_set_number, IN_SETTINGS(max_hops), .initial = "30", .low = "1",
     .high = "1000"},
    {"mail", "masquerade", value_set_masquerade, IN_SETTINGS(masquerade), .list = true},
    {"mail", "alias_files", value_set_text, IN_SETTINGS(alias_files), .initial = ""},
    {"mail", "alias_commands", value_set_text, IN_SETTINGS(alias_commands), .initial = ""},
    {"mail", "alias_time", value_set_seconds, IN_SETTINGS(alias_time), .initial = "5m", .low = "1s",
     .high = "1d"},

    {"smarthost", "senders", value_set_senders, IN_SMARTHOST(senders), .list = true},
    {"smarthost", "host", value_set_hosts, IN_SMARTHOST(hosts), .list = true},
    {"smarthost", "port", value_set_number, IN_SMARTHOST(port), .low = "1", .high = "65535"},
    {"smarthost", "tls", value_set_tls, IN_SMARTHOST(tls), .initial = "starttls"},
    {"smarthost", "tls_trust", value_set_trust, IN_SMARTHOST(tls_trust), .filled = true,
     .initial = "system"},
    {"smarthost", "tls_fingerprint", value_set_fingerprint, IN_SMARTHOST(tls_fingerprint),
     .initial = ""},
    {"smarthost", "tls_certificate", value_set_path, IN_SMARTHOST(tls_certificate), .initial = ""},
    {"smarthost", "tls_key", value_set_path, IN_SMARTHOST(tls_key), .initial = ""},
    {"smarthost", "auth", value_set_auth, IN_SMARTHOST(auth), .initial = "auto"},
    {"smarthost", "user", value_set_text, IN_SMARTHOST(user), .initial = ""},
    {"smarthost", "password_command", value_set_command, IN_SMARTHOST(password_command),
     .initial = ""},
    {"smarthost", "connections", value_set_number, IN_SMARTHOST(connections), .initial = "4",
     .low = "1", .high = "100"},
    {"smarthost", "rate", value_set_rate, IN_SMARTHOST(rate), .initial = ""},

    {"route", "via", value_set_via, IN_ROUTE(to.hosts), .list = true, .filled = true},
    {"route", "port", value_set_number, IN_ROUTE(to.port), .initial = "25", .low = "1",
     .high = "65535"},
    {"route", "tls", value_set_tls, IN_ROUTE(to.tls), .initial = "starttls"},
    {"route", "tls_trust", value_set_trust, IN_ROUTE(to.tls_trust), .filled = true,
     .initial = "system"},
    {"route", "tls_fingerprint", value_set_fingerprint, IN_ROUTE(to.tls_fingerprint),
     .initial = ""},
    {"route", "connections", value_set_number, IN_ROUTE(to.connections), .initial = "4", .low = "1",
     .high = "100"},
    {"route", "rate", value_set_rate, IN_ROUTE(to.rate), .initial = ""},
    {"route", "retry", value_set_seconds_list, IN_ROUTE(retry), .list = true,
     .count_offset = offsetof(struct route, retry_count), .low = "1s", .high = "4w"},
    {"route", "lifetime", value_set_seconds, IN_ROUTE(lifetime), .low = "1s", .high = "52w"},

    {"queue", "directory", value_set_path, IN_SETTINGS(queue_directory), .filled = true},
    {"queue", "retry", value_set_seconds_list, IN_SETTINGS(retry), .list = true,
     .count_offset = offsetof(struct settings, retry_count),
     .initial = "5m, 15m, 30m, 1h, 2h, 4h", .low = "1s", .high = "4w"},
    {"queue", "warn", value_set_seconds, IN_SETTINGS(warn), .initial = "4h", .low = "0",
     .high = "52w"},
    {"queue", "lifetime", value_set_seconds, IN_SETTINGS(lifetime), .initial = "5d", .low = "1s",
     .high = "52w"},

    {"listen", "address", value_set_listen_addresses, IN_LISTENER(addresses), .list = true,
     .filled = true, .initial = "127.0.0.1, [::1]"},
    {"listen", "tls", value_set_tls, IN_LISTENER(tls), .initial = "off"},
    {"listen", "tls_certificate", value_set_paths, IN_LISTENER(tls_certificates), .list = true},
    {"listen", "tls_key", value_set_paths, IN_LISTENER(tls_keys), .list = true},
    {"listen", "tls_client_ca", value_set_path, IN_LISTENER(tls_client_ca), .initial = ""},
    {"listen", "require_tls", value_set_flag, IN_LISTENER(require_tls), .initial = "no"},
    {"listen", "require_auth", value_set_flag, IN_LISTENER(require_auth), .initial = "no"},
    {"listen", "users", value_set_path, IN_LISTENER(users), .initial = ""},
    {"listen", "own_sender", value_set_flag, IN_LISTENER(own_sender), .initial = "no"},
    {"listen", "relay_networks", value_set_networks, IN_LISTENER(relay_networks), .list = true,
     .initial = "127.0.0.0/8, ::1"},
    {"listen", "relay_domains", value_set_domains, IN_LISTENER(relay_domains), .list = true},
    {"listen", "etrn_networks", value_set_networks, IN_LISTENER(etrn_networks), .list = true},
    {"listen", "max_connections", value_set_number, IN_LISTENER(max_connections), .initial = "100",
     .low = "1", .high = "100000"},
    {"listen", "max_connections_per_client", value_set_number,
     IN_LISTENER(max_connections_per_client), .initial = "10", .low = "1", .high = "100000"},
    {"listen", "max_recipients", value_set_number, IN_LISTENER(max_recipients), .initial = "1000",
     .low = "100", .high = "100000"},
    {"listen", "timeout", value_set_seconds, IN_LISTENER(timeout), .initial = "5m", .low = "1s",
     .high = "1h"},

    {"filter", "block_senders", filtering_set_list_senders, IN_SETTINGS(filter.block_senders),
     .list = true},
    {"filter", "allow_senders", filtering_set_list_senders, IN_SETTINGS(filter.allow_senders),
     .list = true},
    {"filter", "block_clients", filtering_set_list_networks, IN_SETTINGS(filter.block_clients),
     .list = true},
    {"filter", "allow_clients", filtering_set_list_networks, IN_SETTINGS(filter.allow_clients),
     .list = true},
    {"filter", "block_helo", filtering_set_list_helo, IN_SETTINGS(filter.block_helo), .list = true},
    {"filter", "allow_helo", filtering_set_list_helo, IN_SETTINGS(filter.allow_helo), .list = true},
    {"filter", "contact", filtering_set_contact, IN_SETTINGS(filter.contact), .initial = ""},
    {"filter", "dnsbl", filtering_set_dnsbl, IN_SETTINGS(filter.dnsbl), .list = true},
    {"filter", "dnswl", filtering_set_dnswl, IN_SETTINGS(filter.dnswl), .list = true},
    {"filter", "dnsbl_threshold", value_set_number, IN_SETTINGS(filter.dnsbl_threshold),
     .initial = "1", .low = "1", .high = "1000"},
    {"filter", "dns_timeout", value_set_seconds, IN_SETTINGS(filter.dns_timeout), .initial = "5s",
     .low = "1s", .high = "1m"},
    {"filter", "greylist", value_set_flag, IN_SETTINGS(filter.greylist), .initial = "off"},
    {"filter", "greylist_delay", value_set_seconds, IN_SETTINGS(filter.greylist_delay),
     .initial = "5m", .low = "1s", .high = "1d"},
    {"filter", "greylist_window", value_set_seconds, IN_SETTINGS(filter.greylist_window),
     .initial = "8h", .low = "1m", .high = "4w"},
    {"filter", "greylist_lifetime", value_set_seconds, IN_SETTINGS(filter.greylist_lifetime),
     .initial = "36d", .low = "1h", .high = "52w"},
    {"filter", "milter", filtering_set_milters, IN_SETTINGS(filter.milters), .list = true},
    {"filter", "milter_default", filtering_set_milter_default, IN_SETTINGS(filter.milter_default),
     .initial = "tempfail"},
    {"filter", "milter_timeout", value_set_seconds, IN_SETTINGS(filter.milter_timeout),
     .initial = "30s", .low = "1s", .high = "1h"},
    {"filter", "spf", filtering_set_spf, IN_SETTINGS(filter.spf), .initial = "off"},

    {"dkim", "selector", value_set_selectors, IN_DKIM(selectors), .list = true,
     .initial = "mail"},
    {"dkim", "key", value_set_paths, IN_DKIM(keys), .list = true},
};
/* clang-format on */
const size_t key_count = sizeof keys / sizeof keys[0];
_Static_assert(sizeof keys / sizeof keys[0] <= KEYS_MOST, "settings.c notes which keys it saw");

const char *keys_find_section(const char *section)
{
    for (size_t i = 0; i < key_count; i++)
        if (text_equal(keys[i].section, section))
            return keys[i].section;
    return NULL;
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

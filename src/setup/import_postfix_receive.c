/*
 * What stays on the machine, and what comes in: names and domains, aliases (virtual(5)), senders
 * that go by another address (generic(5), canonical(5)), the listener, and the times of the queue.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_aliases.h"
#include "setup/import_postfix.h"

static const char listen_name[] = "smtp";

struct receiving {
    struct postfix *postfix;
    struct import *import;
};

/* Each item of a list as an item of ours; those with a table or a file behind them are left. */
static void take_list(struct receiving *receiving, const char *parameter, const char *section,
                      const char *name, const char *key)
{
    struct postfix *postfix = receiving->postfix;
    size_t note = postfix_note(postfix, parameter);
    struct texts items = {0};
    postfix_split(postfix_value(postfix, parameter), &items);
    for (size_t i = 0; i < items.count; i++) {
        const char *item = items.items[i];
        bool networks = strcmp(key, "relay_networks") == 0;
        struct buffer text = {0};
        if (*item == '.')
            buffer_append_byte(&text, '*');
        buffer_append_text(&text, item);
        if (networks && *item == '[') { /* [2001:db8::]/32 */
            buffer_clear(&text);
            size_t length = strcspn(item + 1, "]");
            buffer_append(&text, item + 1, length);
            buffer_append_text(&text, item[1 + length] ? item + 2 + length : "");
        }
        if (*item == '!' || *item == '/' || (!networks && strchr(item, ':')))
            note_say(receiving->import, note, IMPORT_LEFT,
                     "%s is not taken over: ours has plain lists, without files and exceptions",
                     item);
        else if (networks && text_starts(buffer_text(&text), "::ffff:"))
            note_say(receiving->import, note, IMPORT_SAME,
                     "ours takes an IPv4 address within IPv6 for itself");
        else
            take_setting(receiving->import, note, section, name, key, buffer_text(&text));
        buffer_free(&text);
    }
    texts_free(&items);
}

/* ---- names ---- */

static void take_origin(struct receiving *receiving)
{
    struct postfix *postfix = receiving->postfix;
    const char *origin = postfix_value(postfix, "myorigin");
    size_t note = postfix_note(postfix, "myorigin"), file_note;
    if (!postfix_is_set(postfix, "myorigin"))
        return;
    if (*origin != '/') {
        take_setting(receiving->import, note, "mail", "", "domain", origin);
        return;
    }
    char *word = source_word(postfix->importing, origin, SOURCE_NAMED, &file_note);
    note_say(receiving->import, file_note, IMPORT_SAME, "it is the domain of senders");
    if (strcmp(origin, "/etc/mailname") == 0)
        note_say(receiving->import, note, IMPORT_SAME, "ours reads it, too");
    else if (word)
        take_setting(receiving->import, note, "mail", "", "domain", word);
    free(word);
}

static void take_names(struct receiving *receiving)
{
    struct postfix *postfix = receiving->postfix;
    const char *host = postfix_value(postfix, "myhostname");
    if (postfix_is_set(postfix, "myhostname") && strchr(host, '.'))
        take_setting(receiving->import, postfix_note(postfix, "myhostname"), "mail", "", "hostname",
                     host);
    else
        postfix_say(postfix, "myhostname", IMPORT_SAME, "ours asks the machine for its name");
    postfix_say(postfix, "mydomain", IMPORT_SAME, "is filled in where others name it");
    take_origin(receiving);
    if (postfix_is_set(postfix, "mydestination")) {
        take_list(receiving, "mydestination", "mail", "", "local_domains");
        if (!*postfix_value(postfix, "mydestination"))
            postfix_say(postfix, "mydestination", IMPORT_OTHER,
                        "is empty there; ours always keeps mail for its own name and localhost "
                        "here, where aliases can send it on");
    }
    if (strcmp(postfix_value(postfix, "recipient_delimiter"), "+") == 0)
        postfix_say(postfix, "recipient_delimiter", IMPORT_SAME, "ours has '+' as well");
    else if (*postfix_value(postfix, "recipient_delimiter"))
        postfix_say(postfix, "recipient_delimiter", IMPORT_LEFT, "not taken over: ours has '+'");
    else
        postfix_say(postfix, "recipient_delimiter", IMPORT_OTHER,
                    "is empty there; with ours user+detail is user, if nothing else has that name");
    const char *spool = postfix_value(postfix, "mail_spool_directory");
    size_t length = strlen(spool);
    if (length)
        take_setting(receiving->import, postfix_note(postfix, "mail_spool_directory"), "mail", "",
                     "mailbox_directory", spool);
}

/* ---- aliases ---- */

static void take_alias_files(struct receiving *receiving, const char *parameter)
{
    struct postfix *postfix = receiving->postfix;
    struct texts items = {0};
    if (postfix_is_set(postfix, parameter))
        postfix_split(postfix_value(postfix, parameter), &items);
    for (size_t i = 0; i < items.count; i++) {
        const char *colon = strchr(items.items[i], ':');
        const char *path = colon ? colon + 1 : items.items[i];
        const char *have = taken_value(receiving->import, "mail", "", "aliases");
        if (*path != '/' || text_starts(items.items[i], "regexp:") ||
            text_starts(items.items[i], "pcre:"))
            postfix_say(postfix, parameter, IMPORT_LEFT,
                        "%s is not taken over: ours reads aliases as text", items.items[i]);
        else if (have && strstr(have, path))
            take_credit(receiving->import, postfix_note(postfix, parameter), "mail", "", "aliases");
        else
            aliases_take(postfix->importing, postfix_note(postfix, parameter), path, NULL);
    }
    if (!items.count)
        postfix_say(postfix, parameter, IMPORT_SAME, "says nothing");
    texts_free(&items);
}

/* "user", "user@domain", "@domain", or a domain that is to be virtual. */
static void take_virtual(struct receiving *receiving, const struct row *row, bool as_domains)
{
    const char *key = row->key;
    if (strchr(key, '@') || !strchr(key, '.')) {
        struct texts targets = {0};
        struct buffer list = {0};
        postfix_split(row->value, &targets);
        for (size_t i = 0; i < targets.count; i++)
            buffer_format(&list, "%s%s", i ? ", " : "", targets.items[i]);
        bool keeps_name = *buffer_text(&list) == '@';
        if (keeps_name)
            note_say(receiving->import, row->note, IMPORT_LEFT,
                     "not taken over: ours has no alias that keeps the name and changes the "
                     "domain; name each address");
        else
            take_alias(receiving->import, row->note, key, buffer_text(&list));
        buffer_free(&list);
        texts_free(&targets);
    } else if (as_domains) {
        take_setting(receiving->import, row->note, "mail", "", "local_domains", key);
    } else {
        note_say(receiving->import, row->note, IMPORT_SAME,
                 "virtual_alias_domains says which domains are ours");
    }
}

static void take_virtuals(struct receiving *receiving)
{
    struct postfix *postfix = receiving->postfix;
    struct table table = {0};
    bool named = postfix_is_set(postfix, "virtual_alias_domains");
    const char *domains = postfix_value(postfix, "virtual_alias_domains");
    bool as_domains = !named || strcmp(domains, postfix_value(postfix, "virtual_alias_maps")) == 0;
    table_read_all(postfix, "virtual_alias_maps", false, &table);
    for (size_t i = 0; i < table.count; i++)
        take_virtual(receiving, &table.rows[i], as_domains);
    if (!as_domains)
        take_list(receiving, "virtual_alias_domains", "mail", "", "local_domains");
    else
        postfix_say(postfix, "virtual_alias_domains", IMPORT_SAME,
                    "the table says which domains are ours");
    if (table.count)
        postfix_say(postfix, "virtual_alias_maps", IMPORT_OTHER,
                    "with ours users of the machine have mail at these domains, too, unless "
                    "\"@domain\" is an alias");
    table_free(&table);
}

/* ---- senders ---- */

enum { ADDRESSES, NAMES, DOMAINS, KINDS }; /* in the order in which Postfix looks */

static int kind_of(const char *key)
{
    return *key == '@' ? DOMAINS : strchr(key, '@') ? ADDRESSES : NAMES;
}

/* The first rule that fits counts, so that those for one address come first. */
static void take_senders(struct receiving *receiving, const char *parameter)
{
    struct postfix *postfix = receiving->postfix;
    struct table table = {0};
    const char *origin = taken_value(receiving->import, "mail", "", "domain");
    char *own = origin ? memory_copy(origin, strlen(origin)) : source_domain(postfix->importing);
    table_read_all(postfix, parameter, false, &table);
    for (int kind = ADDRESSES; kind < KINDS; kind++)
        for (size_t i = 0; i < table.count; i++) {
            const struct row *row = &table.rows[i];
            struct buffer rule = {0};
            if (kind_of(row->key) != kind)
                continue;
            if (kind == NAMES)
                buffer_format(&rule, "%s@%s: %s", row->key, own ? own : "*", row->value);
            else
                buffer_format(&rule, kind == DOMAINS ? "*%s: %s" : "%s: %s", row->key, row->value);
            if (*row->value == '@')
                note_say(receiving->import, row->note, IMPORT_LEFT,
                         "not taken over: masquerade names one whole address");
            else
                take_setting(receiving->import, row->note, "mail", "", "masquerade",
                             buffer_text(&rule));
            buffer_free(&rule);
        }
    if (table.count)
        postfix_say(postfix, parameter, IMPORT_OTHER, "ours changes senders alone");
    free(own);
    table_free(&table);
}

/* ---- the listener ---- */

/* An address as [listen] has it, or nothing. */
static void put_address(struct buffer *list, const char *text)
{
    struct in6_addr six;
    char *copy = memory_copy(text, strlen(text));
    char *name = *copy == '[' ? copy + 1 : copy;
    name[strcspn(name, "]")] = '\0';
    bool bare = inet_pton(AF_INET6, name, &six) == 1;
    buffer_format(list, bare ? "%s[%s]" : "%s%s", list->length ? ", " : "", name);
    free(copy);
}

static void take_interfaces(struct receiving *receiving, const char *address, size_t master_note)
{
    struct postfix *postfix = receiving->postfix;
    size_t note = postfix_note(postfix, "inet_interfaces");
    struct texts items = {0};
    struct buffer list = {0};
    if (*address)
        texts_add(&items, address);
    else
        postfix_split(postfix_value(postfix, "inet_interfaces"), &items);
    for (size_t i = 0; i < items.count; i++) {
        const char *item = items.items[i];
        if (text_equal(item, "all"))
            buffer_format(&list, "%s*", list.length ? ", " : "");
        else if (text_equal(item, "loopback-only"))
            buffer_format(&list, "%s127.0.0.1, [::1]", list.length ? ", " : "");
        else
            put_address(&list, item);
    }
    if (*address)
        postfix_say(postfix, "inet_interfaces", IMPORT_SAME, "master.cf names the address");
    take_setting(receiving->import, *address ? master_note : note, "listen", listen_name, "address",
                 list.length ? buffer_text(&list) : "127.0.0.1, [::1]");
    const char *protocols = postfix_value(postfix, "inet_protocols");
    if (strcmp(protocols, "all") == 0 || strstr(protocols, "ipv6"))
        postfix_say(postfix, "inet_protocols", IMPORT_SAME, "ours has both");
    else if (*protocols)
        postfix_say(postfix, "inet_protocols", IMPORT_OTHER,
                    "ours uses IPv6 as well, where the machine has it; for the listener name "
                    "addresses");
    texts_free(&items);
    buffer_free(&list);
}

static void take_server_tls(struct receiving *receiving)
{
    static const char *const names[] = {"smtpd_tls_cert_file", "smtpd_tls_key_file",
                                        "smtpd_tls_security_level", "smtpd_use_tls",
                                        "smtpd_enforce_tls"};
    struct postfix *postfix = receiving->postfix;
    struct import *import = receiving->import;
    const char *level = postfix_value(postfix, names[2]);
    const char *certificate = postfix_value(postfix, names[0]);
    const char *key = postfix_value(postfix, names[1]);
    bool forced = strcmp(level, "encrypt") == 0 || (!*level && postfix_is_yes(postfix, names[4]));
    bool offered =
        forced || strcmp(level, "may") == 0 || (!*level && postfix_is_yes(postfix, names[3]));
    size_t key_note = postfix_note(postfix, names[1]);
    char *why = NULL;
    if (!*key || strcmp(key, "$smtpd_tls_cert_file") == 0)
        key = certificate, key_note = postfix_note(postfix, names[0]);
    bool usable = *certificate && !strpbrk(certificate, ",") && !strpbrk(key, ",") &&
                  take_would("listen", listen_name, "tls_certificate", certificate, &why) &&
                  take_would("listen", listen_name, "tls_key", key, &why);
    free(why);
    if (offered && usable) {
        take_setting(import, postfix_note(postfix, *level ? names[2] : names[3]), "listen",
                     listen_name, "tls", "starttls");
        take_setting(import, postfix_note(postfix, names[0]), "listen", listen_name,
                     "tls_certificate", certificate);
        take_setting(import, key_note, "listen", listen_name, "tls_key", key);
        note_say(import, key_note, IMPORT_OTHER,
                 "the user postrider must be able to read it, and others must not");
        if (forced)
            take_setting(import, postfix_note(postfix, *level ? names[2] : names[4]), "listen",
                         listen_name, "require_tls", "yes");
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!postfix_is_settled(postfix, names[i]))
            postfix_say(postfix, names[i], offered ? IMPORT_LEFT : IMPORT_SAME,
                        offered ? "not taken over: TLS needs a certificate and its key in PEM files"
                                : "without smtpd_tls_security_level there is no TLS");
}

/* Lists in the DNS among the restrictions. */
static void take_restrictions(struct receiving *receiving, const char *parameter)
{
    struct postfix *postfix = receiving->postfix;
    size_t note = postfix_note(postfix, parameter);
    static const char *const usual[] = {"permit_mynetworks",
                                        "permit_sasl_authenticated",
                                        "reject_unauth_destination",
                                        "defer_unauth_destination",
                                        "permit",
                                        "reject_unauth_pipelining",
                                        "reject_non_fqdn_recipient",
                                        "reject_unknown_recipient_domain"};
    struct texts words = {0};
    postfix_split(postfix_value(postfix, parameter), &words);
    for (size_t i = 0; i < words.count; i++) {
        const char *word = words.items[i];
        bool known = false;
        for (size_t k = 0; k < sizeof usual / sizeof usual[0]; k++)
            known = known || strcmp(word, usual[k]) == 0;
        if (strcmp(word, "reject_rbl_client") == 0 && i + 1 < words.count)
            take_setting(receiving->import, note, "filter", "", "dnsbl", words.items[++i]);
        else
            note_say(receiving->import, note, known ? IMPORT_SAME : IMPORT_LEFT,
                     known ? "%s: ours does so" : "%s is not taken over; see [filter]", word);
    }
    if (!words.count)
        postfix_say(postfix, parameter, IMPORT_SAME, "says nothing");
    texts_free(&words);
}

static void take_milters(struct receiving *receiving)
{
    struct postfix *postfix = receiving->postfix;
    size_t note = postfix_note(postfix, "smtpd_milters");
    struct texts items = {0};
    postfix_split(postfix_value(postfix, "smtpd_milters"), &items);
    for (size_t i = 0; i < items.count; i++) {
        const char *item = items.items[i];
        struct buffer milter = {0};
        bool local = text_starts(item, "unix:") || text_starts(item, "local:");
        const char *path = local ? strchr(item, ':') + 1 : "";
        if (local && *path == '/')
            buffer_format(&milter, "unix:%s", path);
        else if (local)
            buffer_format(&milter, "unix:%s/%s", postfix_value(postfix, "queue_directory"), path);
        else
            buffer_append_text(&milter, item);
        take_setting(receiving->import, note, "filter", "", "milter", buffer_text(&milter));
        buffer_free(&milter);
    }
    texts_free(&items);
    const char *action = postfix_value(postfix, "milter_default_action");
    if (strcmp(action, "accept") == 0 || strcmp(action, "reject") == 0 ||
        strcmp(action, "tempfail") == 0)
        take_setting(receiving->import, postfix_note(postfix, "milter_default_action"), "filter",
                     "", "milter_default", action);
    postfix_say(postfix, "milter_protocol", IMPORT_SAME, "ours asks the milter");
}

static void take_listener(struct receiving *receiving)
{
    struct postfix *postfix = receiving->postfix;
    char *address = NULL;
    size_t note = NOTE_NONE;
    static const char *const server[] = {"inet_interfaces",
                                         "inet_protocols",
                                         "mynetworks",
                                         "relay_domains",
                                         "smtpd_milters",
                                         "smtpd_recipient_restrictions",
                                         "smtpd_client_restrictions",
                                         "smtpd_relay_restrictions",
                                         "smtpd_sender_restrictions",
                                         "smtpd_helo_restrictions"};
    if (!postfix_read_master(postfix, &address, &note)) {
        for (size_t i = 0; i < sizeof server / sizeof server[0]; i++)
            postfix_rest(postfix, server[i], IMPORT_SAME, "nothing listens, by master.cf");
        return;
    }
    take_interfaces(receiving, address, note);
    free(address);
    note_say(receiving->import, note, IMPORT_TAKEN,
             "taken over as [listen \"%s\"], which postrider serve or postrider.socket starts",
             listen_name);
    take_list(receiving, "mynetworks", "listen", listen_name, "relay_networks");
    if (postfix_is_set(postfix, "mynetworks_style"))
        postfix_say(postfix, "mynetworks_style", IMPORT_LEFT,
                    "not taken over: name the networks in relay_networks");
    take_list(receiving, "relay_domains", "listen", listen_name, "relay_domains");
    for (size_t i = 0; i < 2; i++)
        postfix_rest(postfix, server[2 + i], IMPORT_SAME, "says nothing");
    take_server_tls(receiving);
    if (postfix_is_yes(postfix, "smtpd_sasl_auth_enable"))
        postfix_say(postfix, "smtpd_sasl_auth_enable", IMPORT_LEFT,
                    "not taken over: ours has a file of its own with those who may sign in (users, "
                    "and postrider passwd)");
    for (size_t i = 5; i < sizeof server / sizeof server[0]; i++)
        if (postfix_is_set(postfix, server[i]))
            take_restrictions(receiving, server[i]);
    take_milters(receiving);
}

/* ---- sizes and times ---- */

static void take_retry(struct receiving *receiving)
{
    enum { STEPS_MOST = 16 };
    struct postfix *postfix = receiving->postfix;
    uint64_t least, most;
    bool set = postfix_is_set(postfix, "minimal_backoff_time");
    size_t note = postfix_note(postfix, set ? "minimal_backoff_time" : "maximal_backoff_time");
    if (note == NOTE_NONE || !postfix_time(postfix, "minimal_backoff_time", 's', &least) ||
        !postfix_time(postfix, "maximal_backoff_time", 's', &most) || !least)
        return;
    struct buffer steps = {0};
    for (size_t i = 0; i < STEPS_MOST && least < most; i++, least *= 2) {
        put_seconds(&steps, least);
        buffer_append_text(&steps, ", ");
    }
    put_seconds(&steps, steps.length || most > least ? most : least);
    if (take_setting(receiving->import, note, "queue", "", "retry", buffer_text(&steps)) && set)
        take_credit(receiving->import, postfix_note(postfix, "maximal_backoff_time"), "queue", "",
                    "retry");
    buffer_free(&steps);
}

static void take_limits(struct receiving *receiving)
{
    struct postfix *postfix = receiving->postfix;
    const char *size = postfix_value(postfix, "message_size_limit");
    uint64_t seconds;
    if (*size)
        take_setting(receiving->import, postfix_note(postfix, "message_size_limit"), "mail", "",
                     "max_message_size", strcmp(size, "0") == 0 ? "1024G" : size);
    if (postfix_is_set(postfix, "maximal_queue_lifetime") &&
        postfix_time(postfix, "maximal_queue_lifetime", 'd', &seconds)) {
        if (seconds)
            take_seconds(receiving->import, postfix_note(postfix, "maximal_queue_lifetime"),
                         "queue", "lifetime", seconds);
        else
            postfix_say(postfix, "maximal_queue_lifetime", IMPORT_LEFT,
                        "not taken over: ours tries more than once");
    }
    if (postfix_is_set(postfix, "delay_warning_time") &&
        postfix_time(postfix, "delay_warning_time", 'h', &seconds))
        take_seconds(receiving->import, postfix_note(postfix, "delay_warning_time"), "queue",
                     "warn", seconds);
    take_retry(receiving);
}

void postfix_take_receiving(struct postfix *postfix)
{
    struct receiving receiving = {.postfix = postfix, .import = postfix->importing->import};
    take_names(&receiving);
    take_alias_files(&receiving, "alias_maps");
    take_alias_files(&receiving, "alias_database");
    take_virtuals(&receiving);
    static const char *const senders[] = {"smtp_generic_maps", "sender_canonical_maps",
                                          "canonical_maps"};
    for (size_t i = 0; i < sizeof senders / sizeof senders[0]; i++)
        take_senders(&receiving, senders[i]);
    take_listener(&receiving);
    take_limits(&receiving);
}

/*
 * What an Exim configuration that somebody wrote means for us: the usual routers, transports and
 * authenticators of a machine that sends by a smarthost, and the lists of the main section. What an
 * expansion computes, and what is not usual, is left.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_aliases.h"
#include "setup/import_exim.h"

static const char listen_name[] = "smtp";
static const char routers[] = "routers", transports[] = "transports",
                  authenticators[] = "authenticators";

static bool is_computed(const char *text)
{
    return strpbrk(text, "${}") != NULL;
}

/* The note of an option; NOTE_NONE when it is not set. */
static size_t note_of(const struct exim *exim, const char *section, size_t driver, const char *name)
{
    const struct exim_option *option = exim_find(exim, section, driver, name);
    return option ? option->note : NOTE_NONE;
}

/* How many drivers a section has. */
static size_t drivers_of(const struct exim *exim, const char *section)
{
    size_t most = 0;
    for (size_t i = 0; i < exim->count; i++)
        if (strcmp(exim->options[i].section, section) == 0 && exim->options[i].driver > most)
            most = exim->options[i].driver;
    return most;
}

/* The driver of this name; 0: there is none. */
static size_t driver_called(const struct exim *exim, const char *section, const char *name)
{
    for (size_t i = 0; i < exim->count; i++)
        if (strcmp(exim->options[i].section, section) == 0 && exim->options[i].driver &&
            strcmp(exim->options[i].driver_name, name) == 0)
            return exim->options[i].driver;
    return 0;
}

/* Words about all lines of a driver that have none yet. */
static void say_driver(struct exim *exim, const char *section, size_t driver, enum import_mark mark,
                       const char *words)
{
    for (size_t i = 0; i < exim->count; i++)
        if (exim->options[i].driver == driver && strcmp(exim->options[i].section, section) == 0 &&
            !note_has_words(exim->importing->import, exim->options[i].note))
            note_say(exim->importing->import, exim->options[i].note, mark, "%s", words);
}

/* ---- the main section ---- */

static void take_main(struct exim *exim, const char *option, const char *section, const char *key)
{
    const char *value = exim_value(exim, "main", 0, option);
    size_t note = note_of(exim, "main", 0, option);
    if (is_computed(value))
        note_say(exim->importing->import, note, IMPORT_LEFT, "not taken over: it is computed");
    else if (*value)
        take_setting(exim->importing->import, note, section, "", key, value);
}

/* A named list: "domainlist local_domains". */
static void take_named(struct exim *exim, const char *option, const char *section, const char *name,
                       const char *key)
{
    const struct exim_option *found = exim_find(exim, "main", 0, option);
    if (found)
        exim_take_list(exim->importing->import, found->note, found->value, section, name, key);
}

static void take_listener(struct exim *exim)
{
    struct import *import = exim->importing->import;
    const struct exim_option *interfaces = exim_find(exim, "main", 0, "local_interfaces");
    const char *advertised = exim_value(exim, "main", 0, "tls_advertise_hosts");
    const char *certificate = exim_value(exim, "main", 0, "tls_certificate");
    const char *key = exim_value(exim, "main", 0, "tls_privatekey");
    char *why = NULL;
    exim_take_interfaces(import, interfaces ? interfaces->note : NOTE_NONE,
                         interfaces ? interfaces->value : "", listen_name);
    take_named(exim, "hostlist relay_from_hosts", "listen", listen_name, "relay_networks");
    take_named(exim, "domainlist relay_to_domains", "listen", listen_name, "relay_domains");
    size_t key_note = note_of(exim, "main", 0, *key ? "tls_privatekey" : "tls_certificate");
    key = *key ? key : certificate;
    if (*certificate && *advertised && !is_computed(certificate) && !is_computed(key) &&
        take_would("listen", listen_name, "tls_certificate", certificate, &why) &&
        take_would("listen", listen_name, "tls_key", key, &why)) {
        take_setting(import, note_of(exim, "main", 0, "tls_advertise_hosts"), "listen", listen_name,
                     "tls", "starttls");
        take_setting(import, note_of(exim, "main", 0, "tls_certificate"), "listen", listen_name,
                     "tls_certificate", certificate);
        take_setting(import, key_note, "listen", listen_name, "tls_key", key);
    }
    free(why);
    const char *most = exim_value(exim, "main", 0, "smtp_accept_max");
    if (*most)
        take_setting(import, note_of(exim, "main", 0, "smtp_accept_max"), "listen", listen_name,
                     "max_connections", most);
}

/* ---- next hops ---- */

/* One way of a manualroute router. */
struct way {
    struct texts domains; /* patterns; none: all that are not ours */
    struct buffer hosts;
    size_t note;
};

static void take_sign_in(struct exim *exim, size_t transport, struct foreign *account)
{
    struct import *import = exim->importing->import;
    bool wanted = exim_find(exim, transports, transport, "hosts_require_auth") ||
                  exim_find(exim, transports, transport, "hosts_try_auth");
    for (size_t i = 1; i <= drivers_of(exim, authenticators) && wanted; i++) {
        const struct exim_option *send = exim_find(exim, authenticators, i, "client_send");
        const struct exim_option *name = exim_find(exim, authenticators, i, "client_name");
        const struct exim_option *secret = exim_find(exim, authenticators, i, "client_secret");
        const char *client = send ? strstr(send->value, "passwd.client") : NULL;
        if (account->user.value || !(send || (name && secret)))
            continue;
        if (client) {
            exim_read_clients(exim->importing, "/etc/exim4/passwd.client", account);
        } else if (name && secret && !is_computed(name->value) && !is_computed(secret->value)) {
            said_set(&account->user, name->value, name->note);
            said_set(&account->password, secret->value, secret->note);
            said_set(&account->auth, "cram-md5", note_of(exim, authenticators, i, "public_name"));
        } else if (send && !is_computed(send->value)) {
            bool login = text_equal(exim_value(exim, authenticators, i, "public_name"), "LOGIN");
            struct texts parts = {0};
            exim_split(send->value, &parts);
            /* PLAIN has '^' for the NUL bytes between identity, user and password. */
            char *plain = parts.count == 1 && *parts.items[0] == '^' ? parts.items[0] + 1 : NULL;
            char *password = plain ? strchr(plain, '^') : NULL;
            if (password && !strchr(password + 1, '^')) {
                *password++ = '\0';
                said_set(&account->user, plain, send->note);
                said_set(&account->password, password, send->note);
            } else if (login && parts.count == 2) {
                said_set(&account->user, parts.items[0], send->note);
                said_set(&account->password, parts.items[1], send->note);
                said_set(&account->auth, "login", note_of(exim, authenticators, i, "public_name"));
            }
            for (size_t k = 0; k < parts.count; k++)
                memory_wipe(parts.items[k], strlen(parts.items[k]));
            texts_free(&parts);
        }
        if (account->user.value)
            say_driver(exim, authenticators, i, IMPORT_SAME,
                       "ours takes the strongest that is "
                       "offered, unless auth says otherwise");
        else
            note_say(import, send ? send->note : name->note, IMPORT_LEFT,
                     "not taken over: user and password are computed, or stand elsewhere");
    }
}

/* Whether a host list is for all: "*". */
static bool is_for_all(const struct exim *exim, size_t transport, const char *option)
{
    return strcmp(exim_value(exim, transports, transport, option), "*") == 0;
}

static void set_tls(struct exim *exim, size_t transport, struct foreign *account)
{
    struct import *import = exim->importing->import;
    account->tls = FOREIGN_MAY;
    if (is_for_all(exim, transport, "hosts_require_tls"))
        account->tls = FOREIGN_STARTTLS;
    foreign_said_tls(account, note_of(exim, transports, transport, "hosts_require_tls"));
    if (is_for_all(exim, transport, "hosts_avoid_tls"))
        account->tls = FOREIGN_CLEAR;
    foreign_said_tls(account, note_of(exim, transports, transport, "hosts_avoid_tls"));
    if (strcmp(exim_value(exim, transports, transport, "protocol"), "smtps") == 0) {
        account->tls = FOREIGN_IMPLICIT;
        foreign_said_tls(account, note_of(exim, transports, transport, "protocol"));
    }
    account->verified = is_for_all(exim, transport, "tls_verify_hosts");
    note_say(import, note_of(exim, transports, transport, "tls_verify_hosts"), IMPORT_SAME,
             "ours looks at certificates, too");
    static const struct {
        const char *option;
        size_t place;
    } files[] = {{"tls_verify_certificates", offsetof(struct foreign, trust)},
                 {"tls_certificate", offsetof(struct foreign, certificate)},
                 {"tls_privatekey", offsetof(struct foreign, key)}};
    for (size_t i = 0; i < 3; i++) {
        const char *value = exim_value(exim, transports, transport, files[i].option);
        if (*value && !is_computed(value))
            said_set((struct said *)(void *)((char *)account + files[i].place), value,
                     note_of(exim, transports, transport, files[i].option));
    }
    if (account->certificate.value && !account->key.value)
        said_set(&account->key, account->certificate.value, account->certificate.note);
}

/* A next hop as a [smarthost]. */
static bool take_account(struct exim *exim, size_t router, const struct way *way, const char *name,
                         const char *senders)
{
    struct foreign account;
    size_t transport =
        driver_called(exim, transports, exim_value(exim, routers, router, "transport"));
    foreign_begin(&account, "Exim", exim->importing->import->notes[way->note].file, name);
    said_set(&account.senders, senders, note_of(exim, routers, router, "senders"));
    said_set(&account.hosts, buffer_text(&way->hosts), way->note);
    take_sign_in(exim, transport, &account);
    set_tls(exim, transport, &account);
    const char *port = exim_value(exim, transports, transport, "port");
    if (*port)
        said_set(&account.port, strcmp(port, "submission") == 0 ? "587" : port,
                 note_of(exim, transports, transport, "port"));
    else
        said_set(&account.port, account.tls == FOREIGN_IMPLICIT ? "465" : "25", NOTE_NONE);
    bool taken = foreign_take(exim->importing->import, &account);
    foreign_free(&account);
    say_driver(exim, transports, transport, IMPORT_LEFT,
               "not taken over: a [smarthost] has nothing like it");
    return taken;
}

/* Hosts of a route, which may be quoted, and the options behind them. */
static void put_hosts(char *text, struct buffer *hosts)
{
    struct texts items = {0};
    char *list = text + strspn(text, " \t");
    if (*list == '"') {
        list++;
        list[strcspn(list, "\"")] = '\0';
    } else if (*list != '<') {
        /* Blanks may stand around the ':' between two hosts; any others end the list. */
        for (char *at = strpbrk(list, " \t"); at; at = strpbrk(at, " \t")) {
            char *next = at + strspn(at, " \t");
            if (*next != ':' && (at == list || at[-1] != ':')) {
                *at = '\0';
                break;
            }
            at = next;
        }
    }
    exim_split(list, &items);
    for (size_t i = 0; i < items.count; i++)
        if (strcmp(items.items[i], "byname") != 0 && strcmp(items.items[i], "bydns") != 0 &&
            *items.items[i] != '+')
            exim_put_host(items.items[i], hosts);
    texts_free(&items);
}

/* The domains a router is for. False: it is not to be told. */
static bool find_domains(struct exim *exim, size_t router, struct texts *domains)
{
    const char *text = exim_value(exim, routers, router, "domains");
    bool good = true;
    struct texts items = {0};
    exim_split(text, &items);
    for (size_t i = 0; i < items.count; i++) {
        char *item = text_trim(items.items[i]);
        bool others = *item == '!' && strstr(item, "+local_domains");
        if (others || strcmp(item, "*") == 0)
            continue;
        good = good && !strpbrk(item, "!+/;$^{@");
        texts_add(domains, item);
    }
    texts_free(&items);
    return good;
}

/* All others than ours, or those of one domain. */
static void take_way(struct exim *exim, size_t router, struct way *way)
{
    struct import *import = exim->importing->import;
    const char *senders = exim_value(exim, routers, router, "senders");
    if (!way->hosts.length || is_computed(buffer_text(&way->hosts))) {
        note_say(import, way->note, IMPORT_LEFT, "not taken over: the hosts are computed");
        return;
    }
    if (way->domains.count == 0 && *senders && !is_computed(senders)) {
        struct texts items = {0};
        struct buffer list = {0};
        exim_split(senders, &items);
        for (size_t i = 0; i < items.count; i++)
            buffer_format(&list, "%s%s", i ? ", " : "",
                          text_starts(items.items[i], "*@") ? items.items[i] + 1 : items.items[i]);
        char *name = take_name(import, exim_find(exim, routers, router, "")->value);
        take_account(exim, router, way, name, buffer_text(&list));
        free(name);
        buffer_free(&list);
        texts_free(&items);
    } else if (way->domains.count == 0) {
        if (taken_value(import, "smarthost", "", "host"))
            note_say(import, way->note, IMPORT_LEFT,
                     "not taken over: a router above has all of that mail");
        else
            take_account(exim, router, way, "", NULL);
    }
    for (size_t i = 0; i < way->domains.count; i++) {
        const char *domain = way->domains.items[i];
        if (take_setting(import, way->note, "route", domain, "via", buffer_text(&way->hosts)))
            route_take_tls(import, domain, "Exim", FOREIGN_MAY, way->note);
    }
}

/* "pattern hosts; pattern hosts". */
static void take_route_list(struct exim *exim, size_t router, const struct exim_option *list)
{
    struct import *import = exim->importing->import;
    char *copy = memory_copy(list->value, strlen(list->value)), *rest = copy;
    while (rest && *rest) {
        char *next = rest;
        bool quoted = false;
        for (; *next && (quoted || *next != ';' || next[-1] == '<'); next++)
            quoted = quoted != (*next == '"');
        rest = *next ? next + 1 : NULL;
        char *hosts = copy;
        *next = '\0';
        const char *pattern = source_split(&hosts);
        struct way way = {.note = list->note};
        put_hosts(hosts, &way.hosts);
        bool good = find_domains(exim, router, &way.domains);
        if (strcmp(pattern, "*") != 0 && *pattern) {
            texts_free(&way.domains);
            texts_add(&way.domains, pattern);
            good = !strpbrk(pattern, "!+/;$^{@");
        }
        if (good && *pattern)
            take_way(exim, router, &way);
        else if (*pattern)
            note_say(import, list->note, IMPORT_LEFT,
                     "not taken over: the domains are computed, or a list with exceptions");
        texts_free(&way.domains);
        buffer_free(&way.hosts);
        if (rest) {
            memmove(copy, rest, strlen(rest) + 1);
            rest = copy;
        }
    }
    free(copy);
}

static void take_manual(struct exim *exim, size_t router)
{
    const struct exim_option *list = exim_find(exim, routers, router, "route_list");
    const struct exim_option *data = exim_find(exim, routers, router, "route_data");
    if (list) {
        take_route_list(exim, router, list);
    } else if (data) {
        struct way way = {.note = data->note};
        char *copy = memory_copy(data->value, strlen(data->value));
        if (!is_computed(copy))
            put_hosts(copy, &way.hosts);
        if (find_domains(exim, router, &way.domains))
            take_way(exim, router, &way);
        else
            note_say(exim->importing->import, data->note, IMPORT_LEFT,
                     "not taken over: the domains are computed, or a list with exceptions");
        texts_free(&way.domains);
        buffer_free(&way.hosts);
        free(copy);
    }
    say_driver(exim, routers, router, IMPORT_SAME, "belongs to what is said of its hosts");
}

/* ---- other routers ---- */

static void take_lookup(struct exim *exim, size_t router)
{
    struct import *import = exim->importing->import;
    size_t note = note_of(exim, routers, router, "driver");
    struct texts domains = {0};
    bool good = find_domains(exim, router, &domains);
    if (good && domains.count == 0 && !taken_value(import, "smarthost", "", "host"))
        texts_add(&domains, "*");
    for (size_t i = 0; good && i < domains.count; i++)
        take_setting(import, note, "route", domains.items[i], "via", "mx");
    say_driver(exim, routers, router, good && domains.count ? IMPORT_SAME : IMPORT_LEFT,
               good && domains.count ? "belongs to what is said of its driver"
                                     : "not taken over: the domains are computed, or go elsewhere");
    texts_free(&domains);
}

static void take_redirect(struct exim *exim, size_t router)
{
    const struct exim_option *data = exim_find(exim, routers, router, "data");
    const char *lookup = data ? strstr(data->value, "lsearch{") : NULL;
    const char *path = lookup ? lookup + strlen("lsearch{") : "";
    size_t length = strcspn(path, "}");
    if (*path == '/' && path[length]) {
        char *name = memory_copy(path, length);
        aliases_take(exim->importing, data->note, name, NULL);
        free(name);
        say_driver(exim, routers, router, IMPORT_SAME, "belongs to the aliases");
    } else if (exim_find(exim, routers, router, "file")) {
        say_driver(exim, routers, router, IMPORT_LEFT,
                   "not taken over: ours reads no .forward; an alias does it");
    } else {
        say_driver(exim, routers, router, IMPORT_LEFT, "not taken over: see aliases and [route]");
    }
}

static void take_routers(struct exim *exim)
{
    for (size_t i = 1; i <= drivers_of(exim, routers); i++) {
        const char *driver = exim_value(exim, routers, i, "driver");
        if (strcmp(driver, "manualroute") == 0)
            take_manual(exim, i);
        else if (strcmp(driver, "dnslookup") == 0)
            take_lookup(exim, i);
        else if (strcmp(driver, "redirect") == 0)
            take_redirect(exim, i);
        else if (strcmp(driver, "accept") == 0)
            say_driver(exim, routers, i, IMPORT_SAME, "ours delivers to users of this machine");
        else
            say_driver(exim, routers, i, IMPORT_LEFT, "not taken over: ours has no such router");
    }
    for (size_t i = 1; i <= drivers_of(exim, transports); i++) {
        bool smtp = strcmp(exim_value(exim, transports, i, "driver"), "smtp") == 0;
        bool file = strcmp(exim_value(exim, transports, i, "driver"), "appendfile") == 0;
        say_driver(exim, transports, i, smtp || file ? IMPORT_SAME : IMPORT_LEFT,
                   smtp   ? "no router that was taken over uses it"
                   : file ? "ours writes one file a user, in mailbox_directory"
                          : "not taken over: ours has no such transport");
    }
    for (size_t i = 1; i <= drivers_of(exim, authenticators); i++)
        say_driver(exim, authenticators, i, IMPORT_LEFT,
                   "not taken over: it is no account of a smarthost; those who may sign in here "
                   "stand in the file users");
}

/* ---- the other sections ---- */

/* "*@host.example ops@example.org flags", "root ops@example.org". */
static void take_rewrite(struct exim *exim, const struct exim_option *line)
{
    char *copy = memory_copy(line->value, strlen(line->value)), *rest = copy;
    const char *pattern = source_split(&rest), *address = source_split(&rest);
    struct buffer rule = {0};
    buffer_format(&rule, "%s: %s", pattern, address);
    if (is_computed(copy) || is_computed(address) || !*address || strpbrk(pattern, "+^!;"))
        note_say(exim->importing->import, line->note, IMPORT_LEFT,
                 "not taken over: a rule of masquerade names one whole address");
    else
        take_setting(exim->importing->import, line->note, "mail", "", "masquerade",
                     buffer_text(&rule));
    buffer_free(&rule);
    free(copy);
}

/* "* * F,2h,15m; G,16h,1h,1.5; F,4d,6h": the last of the times is when mail is given up. */
static void take_retry(struct exim *exim, const struct exim_option *line)
{
    struct import *import = exim->importing->import;
    const char *last = strrchr(line->value, ';');
    const char *comma = strchr(last ? last : line->value, ',');
    uint64_t seconds;
    size_t length = comma ? strcspn(comma + 1, ", \t") : 0;
    char *time = memory_copy(comma ? comma + 1 : "", length);
    if (*line->value == '*' && text_to_seconds(time, &seconds) &&
        take_seconds(import, line->note, "queue", "lifetime", seconds))
        note_say(import, line->note, IMPORT_OTHER,
                 "the steps between tries are not taken over: "
                 "see retry in [queue]");
    else
        note_say(import, line->note, IMPORT_LEFT,
                 "not taken over: see retry and lifetime in "
                 "[queue] and [route]");
    free(time);
}

static void take_acl(struct exim *exim, const struct exim_option *line, bool *refuses)
{
    struct import *import = exim->importing->import;
    static const char lists[] = "dnslists";
    size_t word = strcspn(line->value, " \t=");
    static const char *const verbs[] = {"accept", "deny",    "drop",   "warn",
                                        "defer",  "require", "discard"};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strlen(verbs[i]) == word && text_starts(line->value, verbs[i]))
            *refuses = i == 1 || i == 2;
    const char *text = strstr(line->value, lists);
    const char *equals = text ? strchr(text, '=') : NULL;
    if (equals && *refuses && !is_computed(equals)) {
        struct texts items = {0};
        exim_split(equals + 1, &items);
        for (size_t i = 0; i < items.count; i++)
            take_setting(import, line->note, "filter", "", "dnsbl", items.items[i]);
        texts_free(&items);
    } else {
        note_say(import, line->note, IMPORT_LEFT,
                 "not taken over: who may send where is told by [listen] and [filter]");
    }
}

static void take_sections(struct exim *exim)
{
    bool refuses = false;
    for (size_t i = 0; i < exim->count; i++) {
        const struct exim_option *option = &exim->options[i];
        if (strcmp(option->section, "rewrite") == 0)
            take_rewrite(exim, option);
        else if (strcmp(option->section, "retry") == 0)
            take_retry(exim, option);
        else if (strcmp(option->section, "acl") == 0)
            take_acl(exim, option, &refuses);
    }
}

static void say_main(struct exim *exim)
{
    static const struct {
        const char *name;
        enum import_mark mark;
        const char *words;
    } known[] = {
        {"daemon_smtp_ports", IMPORT_OTHER,
         "ours listens at port 25 here; another section, "
         "[listen \"submission\"], has another port"},
        {"acl_*", IMPORT_SAME, "the lines of that ACL have notes of their own"},
        {"tls_*", IMPORT_SAME, "belongs to the certificate; without one ours offers no TLS"},
        {"log_*", IMPORT_SAME, "ours logs to the facility mail"},
        {"never_users", IMPORT_SAME, "ours never delivers as root"},
        {"host_lookup", IMPORT_SAME, "ours asks for a client's name when a milter wants it"},
        {"rfc1413*", IMPORT_SAME, "ours asks nobody who a client's user is"},
        {"prdr_enable", IMPORT_SAME, "ours does not know PRDR, which nobody needs"},
        {"ignore_bounce_errors_after", IMPORT_SAME, "ours makes no report about a report"},
        {"timeout_frozen_after", IMPORT_SAME, "ours makes no report about a report"},
        {"trusted_users", IMPORT_SAME, "ours lets everybody name a sender, and says who it was"},
        {"spool_directory", IMPORT_SAME,
         "ours has a queue of its own; what waits in that one does "
         "not come along"},
        {"*list *", IMPORT_SAME, "is filled in where others name it"},
        {"keep_environment", IMPORT_SAME, "ours keeps none"},
        {"add_environment", IMPORT_SAME, "ours keeps none"},
        {"dns_*", IMPORT_SAME, "ours asks by the system's resolver"},
        {"split_spool_directory", IMPORT_SAME, "is about Exim's own files"},
        {"smtputf8_advertise_hosts", IMPORT_SAME, "ours knows SMTPUTF8"},
        {"recipient*", IMPORT_LEFT, "not taken over: ours takes what RFC 5321 allows"},
    };
    for (size_t i = 0; i < exim->count; i++)
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            if (strcmp(exim->options[i].section, "main") == 0 &&
                text_match(known[k].name, exim->options[i].name) &&
                !note_has_words(exim->importing->import, exim->options[i].note))
                note_say(exim->importing->import, exim->options[i].note, known[k].mark, "%s",
                         known[k].words);
}

void exim_take(struct exim *exim)
{
    struct import *import = exim->importing->import;
    take_main(exim, "primary_hostname", "mail", "hostname");
    take_main(exim, "qualify_domain", "mail", "domain");
    take_main(exim, "message_size_limit", "mail", "max_message_size");
    take_named(exim, "domainlist local_domains", "mail", "", "local_domains");
    take_routers(exim);
    take_listener(exim);
    take_sections(exim);
    say_main(exim);
    for (size_t i = 0; i < exim->macro_count; i++)
        if (!note_has_words(import, exim->macros[i].note))
            note_say(import, exim->macros[i].note, IMPORT_SAME, "is filled in where its name is");
}

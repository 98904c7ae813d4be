/*
 * What the routers, transports and authenticators mean for us that an Exim usually has on a machine
 * that sends by a smarthost. What an expansion computes, and what is not usual, is left.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_aliases.h"
#include "setup/import_exim.h"

static const char routers[] = "routers", transports[] = "transports",
                  authenticators[] = "authenticators";

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

/* ---- next hops ---- */

/* One way of a manualroute router. */
struct way {
    struct texts domains; /* patterns; none: all that are not ours */
    struct buffer hosts;
    size_t note;
};

/* "identity^user^password", where '^' stands for a NUL byte and "^^" for itself. False: it is not.
 */
static bool split_plain(const char *text, struct buffer parts[3])
{
    size_t part = 0;
    for (; *text; text++) {
        bool itself = text[0] == '^' && text[1] == '^';
        if (*text == '^' && !itself) {
            if (++part == 3)
                return false;
            continue;
        }
        text += itself;
        buffer_append_byte(&parts[part], *text);
    }
    return part == 2 && parts[1].length && parts[2].length;
}

/* What an authenticator sends, item by item. */
static void take_sent(struct exim *exim, size_t driver, const struct exim_option *send,
                      struct foreign *account)
{
    bool login = text_equal(exim_value(exim, authenticators, driver, "public_name"), "LOGIN");
    struct texts items = {0};
    struct buffer parts[3] = {{0}, {0}, {0}};
    exim_split(send->value, &items);
    if (items.count == 1 && split_plain(items.items[0], parts)) {
        said_set(&account->user, buffer_text(&parts[1]), send->note);
        said_set(&account->password, buffer_text(&parts[2]), send->note);
    } else if (login && items.count == 2) {
        said_set(&account->user, items.items[0], send->note);
        said_set(&account->password, items.items[1], send->note);
        said_set(&account->auth, "login", exim_note(exim, authenticators, driver, "public_name"));
    }
    for (size_t i = 0; i < items.count; i++)
        memory_wipe(items.items[i], strlen(items.items[i]));
    for (size_t i = 0; i < 3; i++)
        buffer_wipe(&parts[i]);
    texts_free(&items);
}

/* By the first authenticator that says with what. */
static void take_sign_in(struct exim *exim, size_t transport, struct foreign *account)
{
    bool wanted = exim_find(exim, transports, transport, "hosts_require_auth") ||
                  exim_find(exim, transports, transport, "hosts_try_auth");
    size_t count = wanted ? drivers_of(exim, authenticators) : 0;
    for (size_t i = 1; i <= count && !account->user.value; i++) {
        const struct exim_option *send = exim_find(exim, authenticators, i, "client_send");
        const struct exim_option *name = exim_find(exim, authenticators, i, "client_name");
        const struct exim_option *secret = exim_find(exim, authenticators, i, "client_secret");
        if (send && strstr(send->value, "passwd.client")) {
            exim_read_clients(exim->importing, "/etc/exim4/passwd.client", account);
        } else if (name && secret && !exim_is_computed(name->value) &&
                   !exim_is_computed(secret->value)) {
            said_set(&account->user, name->value, name->note);
            said_set(&account->password, secret->value, secret->note);
            said_set(&account->auth, "cram-md5", exim_note(exim, authenticators, i, "public_name"));
        } else if (send && !exim_is_computed(send->value)) {
            take_sent(exim, i, send, account);
        }
        if (!account->user.value && (send || name))
            note_say(exim->importing->import, send ? send->note : name->note, IMPORT_LEFT,
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
    foreign_said_tls(account, exim_note(exim, transports, transport, "hosts_require_tls"));
    if (is_for_all(exim, transport, "hosts_avoid_tls"))
        account->tls = FOREIGN_CLEAR;
    foreign_said_tls(account, exim_note(exim, transports, transport, "hosts_avoid_tls"));
    if (strcmp(exim_value(exim, transports, transport, "protocol"), "smtps") == 0) {
        account->tls = FOREIGN_IMPLICIT;
        foreign_said_tls(account, exim_note(exim, transports, transport, "protocol"));
    }
    account->verified = is_for_all(exim, transport, "tls_verify_hosts");
    note_say(import, exim_note(exim, transports, transport, "tls_verify_hosts"), IMPORT_SAME,
             "ours looks at certificates, too");
    static const struct {
        const char *option;
        size_t place;
    } files[] = {{"tls_verify_certificates", offsetof(struct foreign, trust)},
                 {"tls_certificate", offsetof(struct foreign, certificate)},
                 {"tls_privatekey", offsetof(struct foreign, key)}};
    for (size_t i = 0; i < 3; i++) {
        const char *value = exim_value(exim, transports, transport, files[i].option);
        if (*value && !exim_is_computed(value))
            said_set((struct said *)(void *)((char *)account + files[i].place), value,
                     exim_note(exim, transports, transport, files[i].option));
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
    said_set(&account.senders, senders, exim_note(exim, routers, router, "senders"));
    said_set(&account.hosts, buffer_text(&way->hosts), way->note);
    take_sign_in(exim, transport, &account);
    set_tls(exim, transport, &account);
    const char *port = exim_value(exim, transports, transport, "port");
    if (*port)
        said_set(&account.port, strcmp(port, "submission") == 0 ? "587" : port,
                 exim_note(exim, transports, transport, "port"));
    else
        said_set(&account.port, account.tls == FOREIGN_IMPLICIT ? "465" : "25", NOTE_NONE);
    bool taken = foreign_take(exim->importing->import, &account);
    foreign_free(&account);
    for (size_t i = 1; i <= drivers_of(exim, authenticators); i++)
        if (note_has_words(exim->importing->import,
                           exim_note(exim, authenticators, i, "client_send")) ||
            note_has_words(exim->importing->import,
                           exim_note(exim, authenticators, i, "client_name")))
            say_driver(exim, authenticators, i, IMPORT_SAME, "belongs to user and password");
    static const char *const parts[] = {"", "driver", "hosts_require_auth", "hosts_try_auth"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        note_say(exim->importing->import, exim_note(exim, transports, transport, parts[i]),
                 IMPORT_SAME, "belongs to the smarthost");
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
    } else {
        list[strcspn(list, " \t")] = '\0';
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
    bool good = !exim_is_computed(text), exceptions = false;
    struct texts items = {0};
    exim_split(text, &items);
    for (size_t i = 0; i < items.count; i++) {
        const char *item = items.items[i];
        if (*item == '!') {
            exceptions = exceptions || !strstr(item, "+local_domains");
        } else if (strcmp(item, "*") != 0) {
            good = good && !strpbrk(item, "+/;^@");
            texts_add(domains, item);
        }
    }
    texts_free(&items);
    if (exceptions)
        note_say(exim->importing->import, exim_note(exim, routers, router, "domains"), IMPORT_OTHER,
                 "its exceptions are not taken over; a [route] of their own can be one");
    return good;
}

/* All others than ours, or those of one domain. */
static void take_way(struct exim *exim, size_t router, struct way *way)
{
    struct import *import = exim->importing->import;
    const char *senders = exim_value(exim, routers, router, "senders");
    if (!way->hosts.length || exim_is_computed(buffer_text(&way->hosts))) {
        note_say(import, way->note, IMPORT_LEFT, "not taken over: the hosts are computed");
        return;
    }
    if (way->domains.count == 0 && *senders && !exim_is_computed(senders)) {
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
        if (route_take(import, way->note, domain, buffer_text(&way->hosts)))
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
        if (!exim_is_computed(copy))
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
    size_t note = exim_note(exim, routers, router, "driver");
    struct texts domains = {0};
    bool good = find_domains(exim, router, &domains);
    if (good && domains.count == 0 && !taken_value(import, "smarthost", "", "host"))
        texts_add(&domains, "*");
    for (size_t i = 0; good && i < domains.count; i++)
        route_take(import, note, domains.items[i], "mx");
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

void exim_take_routers(struct exim *exim)
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

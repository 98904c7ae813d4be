/*
 * From a file to struct settings: sections and keys into their places by the table in keys.c, then
 * the defaults for what was not said. What single values may be is not known here.
 */
#include "config/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/dkim.h"
#include "config/filtering.h"
#include "config/identity.h"
#include "config/keys.h"
#include "config/listener.h"
#include "config/paths.h"
#include "config/reader.h"
#include "config/smarthost.h"
#include "config/values.h"

enum { PORT_SUBMISSION = 587, PORT_SUBMISSIONS = 465 }; /* RFC 6409, RFC 8314 */

/* What was said, by the places of the keys in the table, and where the section begins. */
struct notes {
    bool seen[KEYS_MOST];
    unsigned line;
};

enum place { IN_SETTINGS, IN_SMARTHOST, IN_ROUTE, IN_LISTENER, IN_DKIM, PLACES };

/* Sections that may come several times: an array of struct settings each, and its length. */
static const struct kind {
    const char *section;
    size_t size; /* of one item */
    size_t items, count;
} kinds[PLACES] = {
    [IN_SMARTHOST] = {"smarthost", sizeof(struct smarthost), offsetof(struct settings, smarthosts),
                      offsetof(struct settings, smarthost_count)},
    [IN_ROUTE] = {"route", sizeof(struct route), offsetof(struct settings, routes),
                  offsetof(struct settings, route_count)},
    [IN_LISTENER] = {"listen", sizeof(struct listener), offsetof(struct settings, listeners),
                     offsetof(struct settings, listener_count)},
    [IN_DKIM] = {"dkim", sizeof(struct dkim), offsetof(struct settings, dkims),
                 offsetof(struct settings, dkim_count)},
};

struct loading {
    struct settings *settings;
    char *folder;                /* of the file; relative paths begin here */
    struct texts sections;       /* seen already, by their headings */
    struct notes notes;          /* about struct settings */
    struct notes *items[PLACES]; /* about each item of a kind */
    enum place place;            /* the section we are in */
    size_t index;                /* the item of its kind */
};

static size_t *count_of(struct loading *loading, enum place place)
{
    return (size_t *)(void *)((char *)loading->settings + kinds[place].count);
}

static char **items_of(struct loading *loading, enum place place)
{
    return (char **)(void *)((char *)loading->settings + kinds[place].items);
}

static struct notes *notes_of(struct loading *loading)
{
    return loading->place == IN_SETTINGS ? &loading->notes
                                         : &loading->items[loading->place][loading->index];
}

static void *structure_of(struct loading *loading)
{
    if (loading->place == IN_SETTINGS)
        return loading->settings;
    return *items_of(loading, loading->place) + loading->index * kinds[loading->place].size;
}

static enum place place_of(const char *section)
{
    enum place place = PLACES - 1;
    while (place != IN_SETTINGS && !text_equal(section, kinds[place].section))
        place--;
    return place;
}

static bool was_seen(const struct notes *notes, const char *section, const char *name)
{
    return notes->seen[keys_find(section, name) - keys];
}

/* Gives all keys of the section we are in that were not seen the default of the table. */
static void fill_in(struct loading *loading)
{
    struct entry entry = {.path = "default"};
    for (const struct key *key = keys; key < keys + key_count; key++) {
        if (place_of(key->section) != loading->place || !key->initial ||
            notes_of(loading)->seen[key - keys])
            continue;
        struct setting setting = {key, &entry, structure_of(loading), "/"};
        struct outcome outcome = keys_set(&setting, key->initial);
        if (!outcome_good(&outcome))
            impossible("a default that is not allowed");
    }
}

/* One more item of the kind of section that we are in, all zero. */
static void *add_item(struct loading *loading, const struct entry *entry)
{
    enum place place = loading->place;
    size_t count = ++*count_of(loading, place), size = kinds[place].size;
    char **items = items_of(loading, place);
    *items = memory_resize(*items, count * size);
    memset(*items + (count - 1) * size, 0, size);
    loading->items[place] = memory_resize(loading->items[place], count * sizeof(struct notes));
    loading->items[place][count - 1] = (struct notes){.line = entry->line};
    loading->index = count - 1;
    return structure_of(loading);
}

static struct outcome add_smarthost(struct loading *loading, const struct entry *entry)
{
    struct smarthost *smarthost = add_item(loading, entry);
    smarthost->name = memory_copy(entry->name, strlen(entry->name));
    return outcome_done();
}

static struct outcome add_listener(struct loading *loading, const struct entry *entry)
{
    struct listener *listener = add_item(loading, entry);
    listener->name = memory_copy(entry->name, strlen(entry->name));
    return outcome_done();
}

static struct outcome add_route(struct loading *loading, const struct entry *entry)
{
    struct buffer pattern = {0};
    const char *why = "";
    if (!*entry->name || !value_parse_domain(entry->name, &pattern, &why)) {
        buffer_free(&pattern);
        return reader_fault(entry,
                            "[route] wants a recipient domain, as in [route "
                            "\"example.org\"] or \"*.example.org\"%s%s",
                            *why ? ": " : "", why);
    }
    struct route *route = add_item(loading, entry);
    route->pattern = buffer_take(&pattern);
    /* What the client asks of every next hop; a route has no account. */
    route->to = (struct smarthost){.name = memory_copy(route->pattern, strlen(route->pattern)),
                                   .auth = AUTH_OFF,
                                   .tls_certificate = memory_copy("", 0),
                                   .tls_key = memory_copy("", 0),
                                   .user = memory_copy("", 0),
                                   .password_command = memory_copy("", 0)};
    return outcome_done();
}

/* A domain that signs has a record in the DNS: no wildcard could stand for all of them. */
static struct outcome add_dkim(struct loading *loading, const struct entry *entry)
{
    struct buffer pattern = {0};
    const char *why = "";
    if (!*entry->name || strcmp(entry->name, "*") == 0 || *entry->name == '[' ||
        !value_parse_domain(entry->name, &pattern, &why)) {
        buffer_free(&pattern);
        return reader_fault(entry,
                            "[dkim] wants the domain of authors, as in [dkim \"example.org\"] or "
                            "\"*.example.org\"%s%s",
                            *why ? ": " : "", why);
    }
    struct dkim *dkim = add_item(loading, entry);
    dkim->pattern = buffer_take(&pattern);
    dkim->domain = dkim->pattern + (strncmp(dkim->pattern, "*.", 2) == 0 ? 2 : 0);
    return outcome_done();
}

static struct outcome take_section(void *context, const struct entry *entry)
{
    struct loading *loading = context;
    if (!keys_has_section(entry->section))
        return reader_fault(entry, "unknown section [%.60s]; did you mean [%s]?", entry->section,
                            keys_nearest_section(entry->section));
    loading->place = place_of(entry->section);
    if (*entry->name && loading->place == IN_SETTINGS)
        return reader_fault(entry, "section [%.60s] takes no name", entry->section);
    struct buffer heading = {0};
    buffer_format(&heading, *entry->name ? "[%s \"%s\"]" : "[%s]",
                  keys_nearest_section(entry->section), entry->name);
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < loading->sections.count; i++)
        if (text_equal(loading->sections.items[i], buffer_text(&heading)))
            outcome = reader_fault(entry, "section %.200s stands here a second time: join the two",
                                   buffer_text(&heading));
    texts_add(&loading->sections, buffer_text(&heading));
    buffer_free(&heading);
    static struct outcome (*const add[PLACES])(struct loading *, const struct entry *) = {
        [IN_SMARTHOST] = add_smarthost,
        [IN_ROUTE] = add_route,
        [IN_LISTENER] = add_listener,
        [IN_DKIM] = add_dkim};
    if (outcome_good(&outcome) && add[loading->place])
        outcome = add[loading->place](loading, entry);
    return outcome;
}

static struct outcome unknown_key(const struct entry *entry)
{
    static const char *const secrets[] = {"password", "password_file"};
    for (size_t i = 0; i < 2; i++)
        if (text_equal(entry->key, secrets[i]))
            return reader_fault(entry, "%s belongs into credentials.conf, not here", secrets[i]);
    return reader_fault(entry, "unknown key %.60s in [%s]; did you mean %s?", entry->key,
                        entry->section, keys_nearest(entry->section, entry->key));
}

/* An indented line that looks like a key or a section of its own was not meant to continue. */
static bool looks_separate(const struct entry *entry)
{
    struct buffer word = {0};
    bool section = entry->value[0] == '[';
    const char *start = entry->value + section;
    size_t length = strcspn(start, section ? " \t\"]" : " \t=:");
    buffer_append(&word, start, length);
    const char *behind = start + length + strspn(start + length, " \t");
    bool separate = section ? keys_has_section(buffer_text(&word))
                            : (*behind == '=' || *behind == ':') &&
                                  keys_find(entry->section, buffer_text(&word)) != NULL;
    buffer_free(&word);
    return separate;
}

static struct outcome take_value(void *context, const struct entry *entry)
{
    struct loading *loading = context;
    const struct key *key = keys_find(entry->section, entry->key);
    if (!key)
        return unknown_key(entry);
    if (entry->continued && (!key->list || looks_separate(entry)))
        return reader_fault(entry,
                            "an indented line goes on with %s above%s: begin it without white "
                            "space",
                            key->name, key->list ? "" : ", which is no list");
    bool *seen = &notes_of(loading)->seen[key - keys];
    if (*seen && !entry->continued)
        return reader_fault(entry, "%s is given a second time in this section", key->name);
    *seen = true;
    struct setting setting = {key, entry, structure_of(loading), loading->folder};
    return keys_set(&setting, entry->value);
}

/* Two strings with a slash between them; the caller frees. */
static char *join(const char *folder, const char *name)
{
    struct buffer path = {0};
    buffer_format(&path, "%s/%s", folder, name);
    return buffer_take(&path);
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return memory_copy(".", 1);
    return memory_copy(path, slash == path ? 1 : (size_t)(slash - path));
}

/* Where a user's own queue is, by the XDG base directory specification. NULL: nobody knows. */
static char *user_queue(void)
{
    const char *state = getenv("XDG_STATE_HOME");
    if (state && *state == '/')
        return join(state, "postrider");
    const char *home = getenv("HOME");
    struct passwd *user = home && *home == '/' ? NULL : getpwuid(getuid());
    if (user)
        home = user->pw_dir;
    return home && *home == '/' ? join(home, ".local/state/postrider") : NULL;
}

/* The defaults that depend on this machine or on other settings. */
static struct outcome fill_in_machine(struct settings *settings, bool installed, bool seen_domains)
{
    if (!settings->hostname)
        settings->hostname = identity_hostname();
    if (!settings->domain)
        settings->domain = identity_mailname();
    if (!settings->domain)
        settings->domain = memory_copy(settings->hostname, strlen(settings->hostname));
    if (!seen_domains) {
        texts_add(&settings->local_domains, "localhost");
        texts_add(&settings->local_domains, settings->hostname);
    }
    if (!settings->queue_directory)
        settings->queue_directory =
            installed ? memory_copy(POSTRIDER_SPOOL, strlen(POSTRIDER_SPOOL)) : user_queue();
    if (!settings->queue_directory)
        return outcome_refuse(EX_CONFIG,
                              "%s: no home folder for the queue: add \"directory = ...\" to "
                              "[queue]",
                              settings->path);
    if (settings->retry_count == 0)
        return outcome_refuse(EX_CONFIG, "%s: retry in [queue] may not be empty", settings->path);
    return outcome_done();
}

static void fill_in_smarthost(struct loading *loading)
{
    struct smarthost *smarthost = structure_of(loading);
    if (!was_seen(notes_of(loading), "smarthost", "port"))
        smarthost->port = smarthost->tls == TLS_IMPLICIT ? PORT_SUBMISSIONS : PORT_SUBMISSION;
}

/* Few MX hosts have a certificate that anybody could check, so TLS there is what can be had. */
static void fill_in_route(struct loading *loading)
{
    struct route *route = structure_of(loading);
    if (route->via == VIA_MX && !was_seen(notes_of(loading), "route", "tls"))
        route->to.tls = TLS_OPPORTUNISTIC;
    if (!route->argument)
        route->argument = memory_copy("", 0);
}

/* As postrider dkim-key makes it. */
static void fill_in_dkim(struct loading *loading)
{
    struct dkim *dkim = structure_of(loading);
    if (!was_seen(notes_of(loading), "dkim", "key")) {
        char *path = settings_key_path(loading->settings, dkim->domain);
        texts_add(&dkim->keys, path);
        free(path);
    }
}

/* The defaults of every item of a kind. */
static void fill_in_items(struct loading *loading, enum place place,
                          void (*more)(struct loading *loading))
{
    size_t count = *count_of(loading, place);
    loading->place = place;
    for (loading->index = 0; loading->index < count; loading->index++) {
        fill_in(loading);
        if (more)
            more(loading);
    }
}

static struct outcome check_route(const struct loading *loading, size_t index,
                                  const struct entry *place)
{
    const struct settings *settings = loading->settings;
    const struct route *route = &settings->routes[index];
    if (!was_seen(&loading->items[IN_ROUTE][index], "route", "via"))
        return reader_fault(place, "[route \"%s\"] says not where to: add \"via = ...\"",
                            route->pattern);
    if (route->via == VIA_SMARTHOST && *route->argument &&
        !settings_smarthost(settings, route->argument))
        return reader_fault(place, "[route \"%s\"]: there is no [smarthost \"%.100s\"]",
                            route->pattern, route->argument);
    return outcome_done();
}

/* How the parts fit together. */
static struct outcome check(const struct loading *loading, const char *shown)
{
    const struct settings *settings = loading->settings;
    struct entry place = {.path = shown};
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < settings->smarthost_count && outcome_good(&outcome); i++) {
        place.line = loading->items[IN_SMARTHOST][i].line;
        outcome = smarthost_check(&settings->smarthosts[i], &place);
    }
    if (outcome_good(&outcome))
        outcome = smarthost_check_senders(settings, &place);
    for (size_t i = 0; i < settings->route_count && outcome_good(&outcome); i++) {
        place.line = loading->items[IN_ROUTE][i].line;
        outcome = check_route(loading, i, &place);
    }
    for (size_t i = 0; i < settings->listener_count && outcome_good(&outcome); i++) {
        place.line = loading->items[IN_LISTENER][i].line;
        outcome = listener_check(&settings->listeners[i], &place);
    }
    for (size_t i = 0; i < settings->dkim_count && outcome_good(&outcome); i++) {
        place.line = loading->items[IN_DKIM][i].line;
        outcome = dkim_check(&settings->dkims[i], &place);
    }
    return outcome;
}

/* Everything that can only be said when the whole file has been read. */
static struct outcome complete(struct loading *loading, bool installed, const char *shown)
{
    loading->place = IN_SETTINGS;
    fill_in(loading);
    fill_in_items(loading, IN_SMARTHOST, fill_in_smarthost);
    fill_in_items(loading, IN_ROUTE, fill_in_route);
    fill_in_items(loading, IN_LISTENER, NULL);
    fill_in_items(loading, IN_DKIM, fill_in_dkim);
    struct outcome outcome = fill_in_machine(loading->settings, installed,
                                             was_seen(&loading->notes, "mail", "local_domains"));
    return outcome_good(&outcome) ? check(loading, shown) : outcome;
}

/* Opens the file; *fd is -1 with a good outcome when it need not be there and is not. */
static struct outcome open_file(const char *path, bool may_be_missing, int *fd)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (*fd >= 0 || (errno == ENOENT && may_be_missing))
        return outcome_done();
    struct outcome outcome = outcome_errno(errno, "cannot read the settings %s", path);
    outcome.exit_status = errno == EACCES || errno == EPERM ? EX_NOPERM : EX_CONFIG;
    return outcome;
}

/* A path that stays good when the program changes its folder; the caller frees. */
static char *absolute(const char *path)
{
    char *here = *path == '/' ? NULL : getcwd(NULL, 0);
    char *whole = here ? join(here, path) : memory_copy(path, strlen(path));
    free(here);
    return whole;
}

struct outcome settings_load(const char *path, struct settings *settings)
{
    static const struct reader callbacks = {
        .section = take_section,
        .value = take_value,
        .too_long = ": go on in an indented line if it is a list, else make it shorter",
    };
    *settings = (struct settings){0};
    const char *shown = path ? path : POSTRIDER_CONFIG;
    char *whole = absolute(shown);
    struct loading loading = {.settings = settings, .folder = folder_of(whole)};
    struct reader reader = callbacks;
    reader.context = &loading;
    int fd;
    struct outcome outcome = open_file(whole, !path, &fd);
    settings->path = fd >= 0 ? memory_copy(whole, strlen(whole)) : memory_copy("", 0);
    if (outcome_good(&outcome) && fd >= 0)
        outcome = reader_read(&reader, fd, shown);
    if (outcome_good(&outcome))
        outcome = complete(&loading, strcmp(whole, POSTRIDER_CONFIG) == 0, shown);
    file_close(&fd);
    free(whole);
    free(loading.folder);
    texts_free(&loading.sections);
    for (enum place place = 0; place < PLACES; place++)
        free(loading.items[place]);
    return outcome;
}

static void free_smarthost(struct smarthost *smarthost)
{
    free(smarthost->name);
    texts_free(&smarthost->senders);
    texts_free(&smarthost->hosts);
    free(smarthost->tls_trust);
    free(smarthost->tls_fingerprint);
    free(smarthost->tls_certificate);
    free(smarthost->tls_key);
    free(smarthost->user);
    free(smarthost->password_command);
}

static void free_route(struct route *route)
{
    free(route->pattern);
    free(route->argument);
    free_smarthost(&route->to);
    free(route->retry);
}

void settings_free(struct settings *settings)
{
    for (size_t i = 0; i < settings->route_count; i++)
        free_route(&settings->routes[i]);
    free(settings->routes);
    texts_free(&settings->masquerade);
    free(settings->alias_files);
    free(settings->alias_commands);
    for (size_t i = 0; i < settings->smarthost_count; i++)
        free_smarthost(&settings->smarthosts[i]);
    free(settings->smarthosts);
    for (size_t i = 0; i < settings->listener_count; i++)
        listener_free(&settings->listeners[i]);
    free(settings->listeners);
    filtering_free(&settings->filter);
    for (size_t i = 0; i < settings->dkim_count; i++)
        dkim_free(&settings->dkims[i]);
    free(settings->dkims);
    free(settings->path);
    free(settings->hostname);
    free(settings->domain);
    texts_free(&settings->local_domains);
    texts_free(&settings->aliases);
    free(settings->mailbox_directory);
    free(settings->log_file);
    free(settings->queue_directory);
    free(settings->retry);
    *settings = (struct settings){0};
}

/* A file beside the settings; the caller frees. */
static char *beside(const struct settings *settings, const char *name)
{
    char *folder = folder_of(*settings->path ? settings->path : POSTRIDER_CONFIG);
    char *path = join(folder, name);
    free(folder);
    return path;
}

static uint64_t longest(uint64_t most, const uint64_t *steps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (steps[i] > most)
            most = steps[i];
    return most;
}

uint64_t settings_longest_wait(const struct settings *settings)
{
    uint64_t most = longest(0, settings->retry, settings->retry_count);
    for (size_t i = 0; i < settings->route_count; i++)
        most = longest(most, settings->routes[i].retry, settings->routes[i].retry_count);
    return most;
}

char *settings_credentials_path(const struct settings *settings)
{
    return beside(settings, "credentials.conf");
}

char *settings_key_path(const struct settings *settings, const char *name)
{
    struct buffer file = {0};
    buffer_format(&file, "dkim/%s.pem", name);
    char *path = beside(settings, buffer_text(&file));
    buffer_free(&file);
    return path;
}

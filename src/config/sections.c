/* See sections.h. What single values may be is not known here, nor how sections fit together. */
#include "config/sections.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "config/keys.h"
#include "config/values.h"

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

static size_t *count_of(struct loading *loading, enum place place)
{
    return (size_t *)(void *)((char *)loading->settings + kinds[place].count);
}

static char **items_of(struct loading *loading, enum place place)
{
    return (char **)(void *)((char *)loading->settings + kinds[place].items);
}

struct notes *section_notes(struct loading *loading)
{
    return loading->place == IN_SETTINGS ? &loading->notes
                                         : &loading->items[loading->place][loading->index];
}

void *section_structure(struct loading *loading)
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

bool section_said(const struct notes *notes, const char *section, const char *name)
{
    return notes->seen[keys_find(section, name) - keys];
}

void section_fill_in(struct loading *loading)
{
    struct entry entry = {.path = "default"};
    for (const struct key *key = keys; key < keys + key_count; key++) {
        if (place_of(key->section) != loading->place || !key->initial ||
            section_notes(loading)->seen[key - keys])
            continue;
        struct setting setting = {key, &entry, section_structure(loading), "/"};
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
    return section_structure(loading);
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

struct outcome section_take(void *context, const struct entry *entry)
{
    struct loading *loading = context;
    const char *section = keys_find_section(entry->section);
    if (!section)
        return reader_fault(entry, "unknown section [%.60s]; did you mean [%s]?", entry->section,
                            keys_nearest_section(entry->section));
    loading->place = place_of(entry->section);
    if (*entry->name && loading->place == IN_SETTINGS)
        return reader_fault(entry, "section [%.60s] takes no name", entry->section);
    struct buffer heading = {0};
    buffer_format(&heading, *entry->name ? "[%s \"%s\"]" : "[%s]", section, entry->name);
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
            return reader_fault(entry, "%s belongs in credentials.conf, not here", secrets[i]);
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
    bool separate = section ? keys_find_section(buffer_text(&word)) != NULL
                            : (*behind == '=' || *behind == ':') &&
                                  keys_find(entry->section, buffer_text(&word)) != NULL;
    buffer_free(&word);
    return separate;
}

struct outcome section_take_value(void *context, const struct entry *entry)
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
    bool *seen = &section_notes(loading)->seen[key - keys];
    if (*seen && !entry->continued)
        return reader_fault(entry, "%s is given a second time in this section", key->name);
    *seen = true;
    struct setting setting = {key, entry, section_structure(loading), loading->folder};
    return keys_set(&setting, entry->value);
}

/* ---- every item ---- */

void section_each(struct loading *loading, enum place place, void (*take)(struct loading *loading))
{
    size_t count = *count_of(loading, place);
    loading->place = place;
    for (loading->index = 0; loading->index < count; loading->index++)
        take(loading);
}

void sections_free(struct loading *loading)
{
    texts_free(&loading->sections);
    for (enum place place = 0; place < PLACES; place++)
        free(loading->items[place]);
}

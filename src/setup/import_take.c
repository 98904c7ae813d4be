/*
 * Settings, secrets and aliases that are taken over (see import_note.h). Each is read by our own
 * reader first, in the form in which it will stand in its file: what does not come out as it went
 * in is never taken.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/keys.h"
#include "config/listener.h"
#include "config/reader.h"
#include "config/sections.h"
#include "route/alias_target.h"
#include "route/alias_text.h"
#include "setup/edit.h"
#include "setup/import_note.h"
#include "setup/password.h"

/* ---- what our reader says ---- */

struct trial {
    struct loading loading;
    struct settings settings;
    const char *value; /* that must come out */
    bool came;
};

static struct outcome try_section(void *context, const struct entry *entry)
{
    struct trial *trial = context;
    return section_take(&trial->loading, entry);
}

static struct outcome try_value(void *context, const struct entry *entry)
{
    struct trial *trial = context;
    trial->came = strcmp(entry->value, trial->value) == 0;
    if (!trial->came)
        return reader_fault(entry, "a line of ours cannot hold it");
    return section_take_value(&trial->loading, entry);
}

/* Only the listener's own rules look at more than one item: how wide it opens the door. */
static struct outcome check_width(struct trial *trial, const char *key)
{
    const struct entry place = {.path = "", .line = 0};
    if (!trial->settings.listener_count || !text_starts(key, "relay_"))
        return outcome_done();
    section_each(&trial->loading, IN_LISTENER, section_fill_in);
    return listener_check(&trial->settings.listeners[0], &place);
}

/* What stands behind "path:line: " in the words of the reader. */
static char *reason_of(const struct outcome *outcome)
{
    const char *reason = strstr(outcome->reason, ": ");
    reason = reason ? reason + 2 : outcome->reason;
    return memory_copy(reason, strlen(reason));
}

/* One item, or a value that is no list. */
static bool would_take(const char *section, const char *name, const char *key, const char *value,
                       char **why)
{
    struct trial trial = {.value = value};
    char here[] = "/";
    trial.loading.settings = &trial.settings;
    trial.loading.folder = here;
    struct reader reader = {
        .section = try_section, .value = try_value, .context = &trial, .too_long = ""};
    struct buffer text = {0};
    buffer_format(&text, *name ? "[%s \"%s\"]\n" : "[%s]\n", section, name);
    buffer_format(&text, "%s = %s\n", key, value);
    int fd = edit_make_file(text.data, text.length);
    struct outcome outcome =
        fd < 0 ? outcome_errno(errno, ": no memory") : reader_read(&reader, fd, "");
    if (outcome_good(&outcome) && !trial.came)
        outcome = outcome_refuse(0, ": a line of ours cannot hold it");
    if (outcome_good(&outcome))
        outcome = check_width(&trial, key);
    file_close(&fd);
    buffer_wipe(&text);
    settings_free(&trial.settings);
    sections_free(&trial.loading);
    *why = outcome_good(&outcome) ? NULL : reason_of(&outcome);
    return outcome_good(&outcome);
}

bool take_would(const char *section, const char *name, const char *key, const char *value,
                char **why)
{
    const struct key *known = keys_find(section, key);
    if (!known || !known->list || strchr(value, ',') == NULL)
        return would_take(section, name, key, value, why);
    struct texts items = {0};
    texts_split(&items, value);
    bool good = true;
    for (size_t i = 0; i < items.count && good; i++)
        good = would_take(section, name, key, items.items[i], why);
    texts_free(&items);
    return good;
}

/* ---- the lists of values ---- */

static struct import_value *find(const struct import_values *values, const char *section,
                                 const char *name, const char *key)
{
    for (size_t i = 0; i < values->count; i++) {
        struct import_value *value = &values->items[i];
        if (strcmp(value->section, section) == 0 && text_equal(value->name, name) &&
            (!key || strcmp(value->key, key) == 0))
            return value;
    }
    return NULL;
}

/* Behind the last key of its section, else at the end. */
static void add(struct import_values *values, const char *section, const char *name,
                const char *key, const char *value)
{
    if (values->count == values->capacity) {
        values->capacity = values->capacity ? values->capacity * 2 : 16;
        values->items = memory_resize(values->items, values->capacity * sizeof *values->items);
    }
    size_t at = values->count;
    while (at && find(values, section, name, NULL) &&
           (strcmp(values->items[at - 1].section, section) != 0 ||
            !text_equal(values->items[at - 1].name, name)))
        at--;
    memmove(values->items + at + 1, values->items + at,
            (values->count - at) * sizeof *values->items);
    values->items[at] = (struct import_value){
        memory_copy(section, strlen(section)), memory_copy(name, strlen(name)),
        memory_copy(key, strlen(key)), memory_copy(value, strlen(value))};
    values->count++;
}

static void replace(struct import_value *value, const char *text)
{
    memory_wipe(value->value, strlen(value->value));
    free(value->value);
    value->value = memory_copy(text, strlen(text));
}

static bool has_item(const char *list, const char *item)
{
    size_t length = strlen(item);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += strspn(at, ", ");
        if (strncmp(at, item, length) == 0 && (!at[length] || at[length] == ','))
            return true;
    }
    return false;
}

/* Adds those items that are not there yet. */
static void add_items(struct import_value *value, const char *more)
{
    struct texts items = {0};
    struct buffer all = {0};
    texts_split(&items, more);
    for (size_t i = 0; i < items.count; i++)
        if (!has_item(value->value, items.items[i])) {
            buffer_clear(&all);
            buffer_format(&all, "%s, %s", value->value, items.items[i]);
            replace(value, buffer_text(&all));
        }
    buffer_free(&all);
    texts_free(&items);
}

static void put(struct import_values *values, const char *section, const char *name,
                const char *key, const char *text, bool list)
{
    struct import_value *value = find(values, section, name, key);
    if (!value)
        add(values, section, name, key, text);
    else if (list)
        add_items(value, text);
    else
        replace(value, text);
}

/* ---- taking ---- */

static void say_taken(struct import *import, size_t note, const char *section, const char *name,
                      const char *key, const char *value)
{
    if (*name)
        note_say(import, note, IMPORT_TAKEN, "taken over as [%s \"%s\"] %s = %s", section, name,
                 key, value);
    else
        note_say(import, note, IMPORT_TAKEN, "taken over as [%s] %s = %s", section, key, value);
}

bool take_setting(struct import *import, size_t note, const char *section, const char *name,
                  const char *key, const char *value)
{
    char *why;
    if (!take_would(section, name, key, value, &why)) {
        note_say(import, note, IMPORT_LEFT, "not taken over, as our settings say: %s", why);
        free(why);
        return false;
    }
    put(&import->settings, section, name, key, value, keys_find(section, key)->list);
    say_taken(import, note, section, name, key, value);
    return true;
}

void put_seconds(struct buffer *text, uint64_t seconds)
{
    static const struct {
        uint64_t seconds;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;
    while (seconds % units[i].seconds)
        i++;
    buffer_format(text, "%llu%c", (unsigned long long)(seconds / units[i].seconds),
                  units[i].letter);
}

bool take_seconds(struct import *import, size_t note, const char *section, const char *key,
                  uint64_t seconds)
{
    struct buffer text = {0};
    put_seconds(&text, seconds);
    bool taken = take_setting(import, note, section, "", key, buffer_text(&text));
    buffer_free(&text);
    return taken;
}

void take_credit(struct import *import, size_t note, const char *section, const char *name,
                 const char *key)
{
    const char *value = taken_value(import, section, name, key);
    if (value)
        say_taken(import, note, section, name, key, value);
}

bool take_password(struct import *import, size_t note, const char *name, const char *password)
{
    struct buffer copy = {0};
    buffer_append_text(&copy, password);
    struct outcome outcome = password_check(&copy);
    buffer_wipe(&copy);
    if (outcome_good(&outcome) && strchr(password, '\r'))
        outcome = outcome_refuse(0, "it holds a carriage return");
    if (!outcome_good(&outcome)) {
        note_say(import, note, IMPORT_LEFT, "the password is not taken over: %s", outcome.reason);
        return false;
    }
    put(&import->credentials, "smarthost", name, "password", password, false);
    if (*name)
        note_say(import, note, IMPORT_TAKEN,
                 "taken over as [smarthost \"%s\"] password = **** in credentials.conf", name);
    else
        note_say(import, note, IMPORT_TAKEN,
                 "taken over as [smarthost] password = **** in credentials.conf");
    return true;
}

void take_sort(struct import *import)
{
    static const char *const order[] = {"mail", "smarthost", "route", "queue", "listen", "filter"};
    struct import_values *values = &import->settings;
    struct import_value *sorted = memory_get((values->count + 1) * sizeof *sorted);
    size_t count = 0;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        for (size_t k = 0; k < values->count; k++)
            if (strcmp(values->items[k].section, order[i]) == 0)
                sorted[count++] = values->items[k];
    if (count != values->count)
        impossible("a section without a place");
    free(values->items);
    values->items = sorted;
    values->capacity = count + 1;
}

const char *taken_value(const struct import *import, const char *section, const char *name,
                        const char *key)
{
    const struct import_value *value = find(&import->settings, section, name, key);
    return value ? value->value : NULL;
}

char *take_name(const struct import *import, const char *wanted)
{
    enum { NAME_LONGEST = 60 };
    struct buffer stem = {0}, name = {0};
    for (const char *c = wanted; *c && stem.length < NAME_LONGEST; c++)
        buffer_append_byte(&stem, (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                                          (*c >= '0' && *c <= '9') || strchr("._@+-", *c)
                                      ? *c
                                      : '-');
    if (!stem.length)
        buffer_append_text(&stem, "account");
    buffer_append_text(&name, buffer_text(&stem));
    for (unsigned i = 2; text_equal(buffer_text(&name), "smarthost") ||
                         find(&import->settings, "smarthost", buffer_text(&name), NULL);
         i++) {
        buffer_clear(&name);
        buffer_format(&name, "%s-%u", buffer_text(&stem), i);
    }
    buffer_free(&stem);
    return buffer_take(&name);
}

/* ---- aliases ---- */

struct one_alias {
    char *key; /* as it is looked up */
    unsigned count;
    bool good;
    const char *why;
};

static struct outcome look_at_alias(void *context, const struct alias *alias)
{
    struct one_alias *seen = context;
    struct texts targets = {0};
    seen->good = seen->count++ == 0 && alias_split(alias->value, &targets) && targets.count > 0;
    for (size_t i = 0; i < targets.count && seen->good; i++) {
        struct alias_target target;
        seen->good = alias_target_parse(targets.items[i], &target, &seen->why);
        if (seen->good)
            alias_target_free(&target);
    }
    if (!seen->key)
        seen->key = memory_copy(alias->key, strlen(alias->key));
    texts_free(&targets);
    return outcome_done();
}

/* Whether the line stands there already, or another one for the name: then *why. */
static bool is_there(const struct import *import, const char *key, const char *line,
                     const char **why)
{
    size_t length = strlen(key);
    for (size_t i = 0; i < import->aliases.count; i++)
        if (strncmp(import->aliases.items[i], key, length) == 0 &&
            import->aliases.items[i][length] == ':') {
            *why = strcmp(import->aliases.items[i], line) == 0 ? NULL
                                                               : "there is one for this name above";
            return true;
        }
    return false;
}

bool take_alias(struct import *import, size_t note, const char *name, const char *targets)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789._@+-";
    struct buffer line = {0};
    struct one_alias seen = {.why = "it is no alias"};
    buffer_format(&line, "%s: %s\n", name, targets);
    int fd = edit_make_file(line.data, line.length);
    struct outcome outcome = outcome_done();
    if (fd >= 0)
        outcome = alias_text_read(fd, "", look_at_alias, &seen);
    file_close(&fd);
    char *why = outcome_good(&outcome) ? NULL : reason_of(&outcome);
    bool good = !why && seen.good, old = false;
    if (good && strspn(seen.key, plain) != strlen(seen.key)) {
        seen.why = "its name would need quotes";
        good = false;
    }
    buffer_clear(&line);
    buffer_format(&line, "%s: %s", good ? seen.key : name, targets);
    if (good && is_there(import, seen.key, buffer_text(&line), &seen.why)) {
        old = true;
        good = !seen.why;
    }
    if (good && !old)
        texts_add(&import->aliases, buffer_text(&line));
    if (good)
        note_say(import, note, IMPORT_TAKEN, "taken over as the alias \"%s\"", buffer_text(&line));
    else
        note_say(import, note, IMPORT_LEFT, "not taken over as an alias: %s", why ? why : seen.why);
    free(why);
    free(seen.key);
    buffer_free(&line);
    return good;
}

/*
 * Imports settings: PROGRAM, ROOT and HOME ("-" for none) as arguments, and a folder that gets
 * postrider.conf, credentials.conf and aliases. On standard output JSON: what was found, the status
 * and reason of the end, and what settings_load says of the file.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "config/credentials.h"
#include "config/keys.h"
#include "config/settings.h"
#include "setup/import.h"

static const char *const marks[] = {"same", "taken", "other", "left"};

static void put_value(FILE *file, const struct import_value *value)
{
    const struct key *key = keys_find(value->section, value->key);
    struct texts items = {0};
    if (key && key->list)
        texts_split(&items, value->value);
    fprintf(file, "%s = %s\n", value->key, items.count ? items.items[0] : value->value);
    for (size_t i = 1; i < items.count; i++)
        fprintf(file, "    %s\n", items.items[i]);
    texts_free(&items);
}

static FILE *open_in(const char *folder, const char *name)
{
    struct buffer path = {0};
    buffer_format(&path, "%s/%s", folder, name);
    FILE *file = fopen(buffer_text(&path), "w");
    if (file)
        fchmod(fileno(file), 0600);
    buffer_free(&path);
    return file;
}

static bool write_values(const char *folder, const char *name, const struct import_values *values)
{
    FILE *file = open_in(folder, name);
    if (!file)
        return false;
    for (size_t i = 0; i < values->count; i++) {
        const struct import_value *value = &values->items[i], *last = value - 1;
        if (i == 0 || strcmp(value->section, last->section) != 0 ||
            strcmp(value->name, last->name) != 0)
            fprintf(file, *value->name ? "[%s \"%s\"]\n" : "[%s]\n", value->section, value->name);
        put_value(file, value);
    }
    return fclose(file) == 0;
}

static bool write_aliases(const char *folder, const struct texts *aliases)
{
    FILE *file = open_in(folder, "aliases");
    if (!file)
        return false;
    for (size_t i = 0; i < aliases->count; i++)
        fprintf(file, "%s\n", aliases->items[i]);
    return fclose(file) == 0;
}

/* An array of strings. */
static void put_texts(struct buffer *json, const char *const *texts, size_t count)
{
    buffer_append_byte(json, '[');
    for (size_t i = 0; i < count; i++) {
        json_next(json);
        json_string(json, texts[i]);
    }
    buffer_append_byte(json, ']');
}

static void put_values(struct buffer *json, const char *name, const struct import_values *values)
{
    json_name(json, name);
    buffer_append_byte(json, '[');
    for (size_t i = 0; i < values->count; i++) {
        const struct import_value *value = &values->items[i];
        json_next(json);
        put_texts(json, (const char *[]){value->section, value->name, value->key, value->value}, 4);
    }
    buffer_append_byte(json, ']');
}

static void put_notes(struct buffer *json, const struct import *import)
{
    json_name(json, "notes");
    buffer_append_byte(json, '[');
    for (size_t i = 0; i < import->note_count; i++) {
        const struct import_note *note = &import->notes[i];
        struct buffer line = {0};
        import_format_note(note, &line);
        json_next(json);
        buffer_append_byte(json, '{');
        json_text(json, "mark", marks[note->mark]);
        json_text(json, "file", note->file);
        json_number(json, "line", note->line);
        json_number(json, "last", note->last);
        json_text(json, "text", note->text);
        json_text(json, "words", buffer_text(&note->words));
        json_text(json, "whole", buffer_text(&line));
        buffer_append_byte(json, '}');
        buffer_free(&line);
    }
    buffer_append_byte(json, ']');
}

/* Whether the password that our reader finds is the one that was imported. */
static void put_secrets(struct buffer *json, const struct settings *settings,
                        const struct import *import)
{
    char *path = settings_credentials_path(settings);
    json_name(json, "secrets");
    buffer_append_byte(json, '[');
    for (size_t i = 0; i < import->credentials.count; i++) {
        const struct import_value *value = &import->credentials.items[i];
        const struct smarthost *smarthost = settings_smarthost(settings, value->name);
        struct buffer secret = {0};
        struct outcome outcome = outcome_refuse(78, "there is no such smarthost");
        if (smarthost)
            outcome = credentials_find(smarthost, path, &secret);
        bool same = strcmp(buffer_text(&secret), value->value) == 0;
        json_next(json);
        json_string(json, !outcome_good(&outcome) ? outcome.reason : same ? "found" : "another");
        buffer_wipe(&secret);
    }
    buffer_append_byte(json, ']');
    free(path);
}

int main(int count, char **arguments)
{
    if (count != 5)
        return 64;
    struct import import;
    struct outcome outcome = import_read(
        arguments[1], arguments[2], strcmp(arguments[3], "-") == 0 ? NULL : arguments[3], &import);
    if (!write_values(arguments[4], "postrider.conf", &import.settings) ||
        !write_values(arguments[4], "credentials.conf", &import.credentials) ||
        !write_aliases(arguments[4], &import.aliases))
        return 73;
    struct buffer path = {0}, json = {0};
    buffer_format(&path, "%s/postrider.conf", arguments[4]);
    struct settings settings;
    struct outcome loaded = settings_load(buffer_text(&path), &settings);
    buffer_append_byte(&json, '{');
    put_values(&json, "settings", &import.settings);
    put_values(&json, "credentials", &import.credentials);
    put_secrets(&json, &settings, &import);
    put_notes(&json, &import);
    json_name(&json, "aliases");
    put_texts(&json, (const char *const *)import.aliases.items, import.aliases.count);
    json_number(&json, "status", outcome_good(&outcome) ? 0 : outcome.exit_status);
    json_text(&json, "reason", outcome_good(&outcome) ? "" : outcome.reason);
    json_text(&json, "loads", outcome_good(&loaded) ? "" : loaded.reason);
    buffer_append_byte(&json, '}');
    puts(buffer_text(&json));
    settings_free(&settings);
    import_free(&import);
    buffer_free(&path);
    buffer_wipe(&json);
    return 0;
}

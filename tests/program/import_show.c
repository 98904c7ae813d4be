/*
 * Imports settings: PROGRAM, ROOT and HOME ("-" for none) as arguments, and a folder that gets
 * postrider.conf and credentials.conf. On standard output JSON: what was found, the status
 * and reason of the end, and what settings_load says of the file.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "config/credentials.h"
#include "config/settings.h"
#include "setup/edit.h"
#include "setup/import.h"
#include "setup/password.h"

static const char *const marks[] = {"same", "taken", "other", "left"};

static bool write_file(const char *path, const char *text, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && file_write(fd, text, length);
    file_close(&fd);
    return good;
}

/* As setup edits an empty file. */
static bool write_settings(const char *path, const struct import_values *values)
{
    struct edit edit;
    struct outcome outcome = edit_open(&edit, path, "", 0);
    for (size_t i = 0; i < values->count && outcome_good(&outcome); i++)
        outcome = edit_set(&edit, values->items[i].section, values->items[i].name,
                           values->items[i].key, values->items[i].value);
    if (!outcome_good(&outcome))
        fprintf(stderr, "%s\n", outcome.reason);
    bool good = outcome_good(&outcome) && write_file(path, edit.text.data, edit.text.length);
    edit_free(&edit);
    return good;
}

static bool write_passwords(const char *path, const struct import_values *values)
{
    struct edit edit;
    struct outcome outcome = edit_open(&edit, path, "", 0);
    bool good = outcome_good(&outcome);
    for (size_t i = 0; i < values->count && good; i++) {
        struct buffer password = {0};
        struct password_files files = {0};
        buffer_append_text(&password, values->items[i].value);
        outcome = password_put(&edit, values->items[i].name, &password, &files);
        good = outcome_good(&outcome) &&
               (!files.wanted || write_file(files.wanted, password.data, password.length));
        password_free_files(&files);
        buffer_wipe(&password);
    }
    good = good && write_file(path, edit.text.data, edit.text.length);
    edit_free(&edit);
    return good;
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
    struct buffer path = {0}, credentials = {0}, json = {0};
    buffer_format(&path, "%s/postrider.conf", arguments[4]);
    buffer_format(&credentials, "%s/credentials.conf", arguments[4]);
    if (!write_settings(buffer_text(&path), &import.settings) ||
        !write_passwords(buffer_text(&credentials), &import.credentials))
        return 73;
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
    buffer_free(&credentials);
    buffer_wipe(&json);
    return 0;
}

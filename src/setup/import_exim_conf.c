/*
 * Exim's own configuration as lines (spec.txt, chapter 6): sections, drivers with their options,
 * macros, .ifdef and .include. What is computed by an expansion stays as it is written.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_exim.h"

enum { FILES_MOST = 64, LINE_LONGEST = 64 * 1024 };

static const char *const sections[] = {"main",    "acl",   "routers",        "transports",
                                       "rewrite", "retry", "authenticators", "local_scan"};

void exim_free(struct exim *exim)
{
    for (size_t i = 0; i < exim->count; i++) {
        struct exim_option *option = &exim->options[i];
        memory_wipe(option->value, strlen(option->value));
        free(option->driver_name);
        free(option->name);
        free(option->value);
    }
    for (size_t i = 0; i < exim->macro_count; i++) {
        memory_wipe(exim->macros[i].value, strlen(exim->macros[i].value));
        free(exim->macros[i].name);
        free(exim->macros[i].value);
    }
    texts_free(&exim->files);
    free(exim->options);
    free(exim->macros);
    free(exim->driver_name);
}

const struct exim_option *exim_find(const struct exim *exim, const char *section, size_t driver,
                                    const char *name)
{
    const struct exim_option *found = NULL;
    for (size_t i = 0; i < exim->count; i++) {
        const struct exim_option *option = &exim->options[i];
        if (option->driver == driver && strcmp(option->section, section) == 0 &&
            strcmp(option->name, name) == 0)
            found = option;
    }
    return found;
}

const char *exim_value(const struct exim *exim, const char *section, size_t driver,
                       const char *name)
{
    const struct exim_option *option = exim_find(exim, section, driver, name);
    return option ? option->value : "";
}

size_t exim_note(const struct exim *exim, const char *section, size_t driver, const char *name)
{
    const struct exim_option *option = exim_find(exim, section, driver, name);
    return option ? option->note : NOTE_NONE;
}

bool exim_is_computed(const char *value)
{
    return strpbrk(value, "${}") != NULL;
}

const struct exim_macro *exim_macro(const struct exim *exim, const char *name)
{
    for (size_t i = 0; i < exim->macro_count; i++)
        if (strcmp(exim->macros[i].name, name) == 0)
            return &exim->macros[i];
    return NULL;
}

/* ---- macros and conditions ---- */

/* With every macro's name replaced by its value, wherever it stands, in the order in which they
 * were set: what a value brings in is looked at for those behind it. */
static char *fill_in(const struct exim *exim, const char *text)
{
    char *line = memory_copy(text, strlen(text));
    for (size_t i = 0; i < exim->macro_count; i++) {
        const struct exim_macro *macro = &exim->macros[i];
        size_t length = strlen(macro->name);
        struct buffer filled = {.limit = LINE_LONGEST};
        const char *rest = line, *at;
        if (!strstr(line, macro->name))
            continue;
        for (; (at = strstr(rest, macro->name)); rest = at + length) {
            buffer_append(&filled, rest, (size_t)(at - rest));
            buffer_append_text(&filled, macro->value);
        }
        buffer_append_text(&filled, rest);
        memory_wipe(line, strlen(line));
        free(line);
        line = buffer_take(&filled);
    }
    return line;
}

/* "NAME = value", "NAME == value": capitals begin it, and nothing but a section's options could. */
static bool is_macro(const char *text)
{
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return isupper((unsigned char)*text) && length &&
           text[length + strspn(text + length, " \t")] == '=';
}

static bool may_be_secret(const char *name)
{
    static const char *const words[] = {"PASS", "SECRET", "PW", "TOKEN", "AUTH", "KEY", "CRED"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(name, words[i]))
            return true;
    return false;
}

static void set_macro(struct exim *exim, const struct source *source, struct source_line *line,
                      char *text)
{
    char *equals = strchr(text, '=');
    bool again = equals[1] == '=';
    char *value = equals + 1 + again;
    *equals = '\0';
    const char *name = text_trim(text);
    struct buffer shown = {0};
    value = fill_in(exim, text_trim(value));
    buffer_format(&shown, "%s = %s", name, may_be_secret(name) ? "****" : value);
    size_t note = source_note(exim->importing, source, line, buffer_text(&shown));
    buffer_wipe(&shown);
    for (size_t i = 0; i < exim->macro_count; i++)
        if (strcmp(exim->macros[i].name, name) == 0) {
            note_say(exim->importing->import, again ? exim->macros[i].note : note, IMPORT_SAME,
                     "means nothing: it is set twice");
            if (again) {
                free(exim->macros[i].value);
                exim->macros[i].value = value;
                exim->macros[i].note = note;
            } else {
                free(value);
            }
            return;
        }
    exim->macros = memory_resize(exim->macros, (exim->macro_count + 1) * sizeof *exim->macros);
    exim->macros[exim->macro_count++] =
        (struct exim_macro){memory_copy(name, strlen(name)), value, note};
}

static bool is_off(const struct exim *exim)
{
    for (unsigned i = 0; i < exim->conditions; i++)
        if (exim->switched_off[i])
            return true;
    return false;
}

/* Whether any of these words is, or holds, a macro. */
static bool any_defined(const struct exim *exim, const char *words)
{
    for (size_t i = 0; i < exim->macro_count; i++)
        if (strstr(words, exim->macros[i].name))
            return true;
    return false;
}

/* False: there are more open conditions than we count. */
static bool take_condition(struct exim *exim, const char *word, const char *rest)
{
    unsigned most = sizeof exim->switched_off / sizeof exim->switched_off[0];
    bool *top = exim->conditions ? &exim->switched_off[exim->conditions - 1] : NULL;
    bool negated = strcmp(word, ".ifndef") == 0;
    if (strcmp(word, ".ifdef") == 0 || negated) {
        if (exim->conditions == most)
            return false;
        exim->switched_off[exim->conditions++] = any_defined(exim, rest) == negated;
    } else if (strcmp(word, ".endif") == 0 && top) {
        exim->conditions--;
    } else if (strcmp(word, ".else") == 0 && top) {
        *top = !*top;
    } else if (text_starts(word, ".elif") && top) {
        *top = !*top || any_defined(exim, rest) == (strcmp(word, ".elifndef") == 0);
    } else {
        return false;
    }
    return true;
}

/* ---- lines ---- */

static void add_option(struct exim *exim, const char *name, const char *value, size_t note)
{
    exim->options = memory_resize(exim->options, (exim->count + 1) * sizeof *exim->options);
    const char *driver = exim->driver ? exim->driver_name : "";
    exim->options[exim->count++] =
        (struct exim_option){.section = exim->section,
                             .driver = exim->driver,
                             .driver_name = memory_copy(driver, strlen(driver)),
                             .name = memory_copy(name, strlen(name)),
                             .value = memory_copy(value, strlen(value)),
                             .note = note};
}

/* Quotes around a whole value go, with what '\' means between them. */
static char *unquote(const char *value)
{
    struct buffer plain = {0};
    size_t length = strlen(value);
    if (length < 2 || value[0] != '"' || value[length - 1] != '"')
        return memory_copy(value, length);
    for (size_t i = 1; i < length - 1; i++) {
        if (value[i] == '\\' && i + 1 < length - 1)
            i++;
        buffer_append_byte(&plain, value[i]);
    }
    return buffer_take(&plain);
}

static bool has_drivers(const char *section)
{
    return strcmp(section, "routers") == 0 || strcmp(section, "transports") == 0 ||
           strcmp(section, "authenticators") == 0;
}

/* A line of a section whose lines are no options: the whole of it. */
static void take_whole(struct exim *exim, const struct source *source, struct source_line *line,
                       const char *text)
{
    add_option(exim, "", text, source_note(exim->importing, source, line, NULL));
}

/* "name = value", "name", "hide name = value", "domainlist name = value". */
static void take_option(struct exim *exim, const struct source *source, struct source_line *line,
                        char *text)
{
    bool hidden = text_starts(text, "hide ") || text_starts(text, "hide\t");
    text += hidden ? strlen("hide ") : 0;
    text += strspn(text, " \t");
    char *equals = strchr(text, '=');
    struct buffer name = {0}, shown = {0};
    buffer_append(&name, text, equals ? (size_t)(equals - text) : strlen(text));
    char *copy = buffer_take(&name), *trimmed = text_trim(copy);
    bool open = strcmp(trimmed, "driver") == 0 || strcmp(trimmed, "public_name") == 0;
    bool secret = hidden || text_match("*_servers", trimmed) ||
                  (strcmp(exim->section, "authenticators") == 0 && !open);
    buffer_format(&shown, "%s = ****", trimmed);
    size_t note =
        source_note(exim->importing, source, line, secret && equals ? buffer_text(&shown) : NULL);
    buffer_free(&shown);
    char *value = unquote(equals ? text_trim(equals + 1) : "");
    add_option(exim, trimmed, value, note);
    memory_wipe(value, strlen(value));
    free(value);
    free(copy);
}

static bool begin_driver(struct exim *exim, const struct source *source, struct source_line *line,
                         char *text)
{
    size_t length = strlen(text);
    if (!has_drivers(exim->section) || length < 2 || text[length - 1] != ':' ||
        strpbrk(text, "= \t"))
        return false;
    free(exim->driver_name);
    exim->driver_name = memory_copy(text, length - 1);
    exim->driver++;
    add_option(exim, "", exim->driver_name, source_note(exim->importing, source, line, NULL));
    return true;
}

static bool begin_section(struct exim *exim, const struct source *source, struct source_line *line,
                          const char *text)
{
    if (!text_starts(text, "begin ") && !text_starts(text, "begin\t"))
        return false;
    const char *name = text + 6 + strspn(text + 6, " \t");
    exim->section = "unknown";
    exim->driver = 0;
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        if (strcmp(sections[i], name) == 0)
            exim->section = sections[i];
    note_say(exim->importing->import, source_note(exim->importing, source, line, NULL), IMPORT_SAME,
             "what follows has a note of its own");
    return true;
}

/* Whether a file is not to be read any more: a second time, as in a circle, or one too many. */
static bool is_read(const struct exim *exim, const char *path)
{
    for (size_t i = 0; i < exim->files.count; i++)
        if (strcmp(exim->files.items[i], path) == 0)
            return true;
    return exim->files.count >= FILES_MOST;
}

static void take_directive(struct exim *exim, const struct source *source, struct source_line *line,
                           char *text)
{
    struct import *import = exim->importing->import;
    size_t note = source_note(exim->importing, source, line, NULL);
    char *rest = text;
    const char *word = source_split(&rest);
    bool optional = strcmp(word, ".include_if_exists") == 0;
    if (!optional && strcmp(word, ".include") != 0) {
        if (take_condition(exim, word, rest))
            note_say(import, note, IMPORT_SAME, "decides what counts");
        else
            note_say(import, note, IMPORT_LEFT, "not taken over: Exim does not know it here");
    } else if (is_off(exim)) {
        note_say(import, note, IMPORT_SAME, "means nothing: it is switched off by a condition");
    } else if (is_read(exim, rest)) {
        note_say(import, note, IMPORT_LEFT,
                 "not taken over: it is read above, or there are too many of them");
    } else {
        bool there = exim_read(exim, rest, optional ? SOURCE_MAYBE : SOURCE_NAMED);
        note_say(import, note, there || optional ? IMPORT_SAME : IMPORT_LEFT,
                 there ? "its lines are read" : "there is no such file");
    }
}

static void take_line(struct exim *exim, const struct source *source, struct source_line *line)
{
    char *text = text_trim(line->text);
    if (*text == '.') {
        char *filled =
            text_starts(text, ".include") ? fill_in(exim, text) : memory_copy(text, strlen(text));
        take_directive(exim, source, line, filled);
        free(filled);
        return;
    }
    if (is_off(exim)) {
        note_say(exim->importing->import, source_note(exim->importing, source, line, "****"),
                 IMPORT_SAME, "means nothing: it is switched off by a condition");
        return;
    }
    char *copy = memory_copy(text, strlen(text));
    size_t size = strlen(copy);
    if (is_macro(text)) {
        set_macro(exim, source, line, copy);
    } else {
        char *filled = fill_in(exim, text);
        if (!begin_section(exim, source, line, filled) &&
            !begin_driver(exim, source, line, filled)) {
            bool options = strcmp(exim->section, "main") == 0 || exim->driver;
            if (options)
                take_option(exim, source, line, filled);
            else
                take_whole(exim, source, line, filled);
        }
        memory_wipe(filled, strlen(filled));
        free(filled);
    }
    memory_wipe(copy, size);
    free(copy);
}

bool exim_read(struct exim *exim, const char *path, enum source_need need)
{
    struct source source;
    struct source_line line;
    texts_add(&exim->files, path);
    if (!exim->section)
        exim->section = sections[0];
    bool there = source_open(exim->importing, path, need, &source);
    while (there && source_next(exim->importing, &source, SOURCE_BACKSLASH, &line))
        take_line(exim, &source, &line);
    source_free(&source);
    return there;
}

/*
 * Lookup tables of Postfix as text (postmap(1)), and next hops as transport(5) and relayhost write
 * them. Databases are never opened: the text that they were made of lies beside them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_postfix.h"

/* Those whose database is made of a text of the same name. */
static const char *const types[] = {"hash", "btree", "lmdb", "texthash", "cdb", "dbm", "sdbm"};

static bool has_text(const char *type, size_t length)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strlen(types[i]) == length && strncmp(types[i], type, length) == 0)
            return true;
    return false;
}

static void add_row(struct table *table, const char *key, const char *value, size_t note)
{
    table->rows = memory_resize(table->rows, (table->count + 1) * sizeof *table->rows);
    struct row *row = &table->rows[table->count++];
    *row = (struct row){memory_copy(key, strlen(key)), memory_copy(value, strlen(value)), note};
    text_lower(row->key);
}

static void take_row(struct postfix *postfix, const struct source *source, struct source_line *line,
                     bool secret, struct table *table)
{
    struct import *import = postfix->importing->import;
    char *text = line->text + strspn(line->text, " \t");
    size_t length = strcspn(text, " \t");
    char *value = text + length + strspn(text + length, " \t");
    struct buffer shown = {0};
    buffer_append(&shown, text, length);
    if (*value)
        buffer_format(&shown, " %s", secret ? "****" : text_trim(value));
    /* A password in a line that is none of ours could stand anywhere. */
    size_t note = source_note(postfix->importing, source, line,
                              secret && !*value ? "****" : buffer_text(&shown));
    buffer_free(&shown);
    if (!*value || line->text != text) {
        note_say(import, note, IMPORT_LEFT, "not taken over: it is no key with a value behind it");
        return;
    }
    text[length] = '\0';
    add_row(table, text, text_trim(value), note);
}

static const char *without_proxy(const char *where)
{
    return text_starts(where, "proxy:") ? where + strlen("proxy:") : where;
}

bool table_is_elsewhere(const char *where)
{
    where = without_proxy(where);
    const char *colon = strchr(where, ':');
    const char *path = colon ? colon + 1 : where;
    return !text_starts(where, "static:") && !text_starts(where, "inline:") &&
           (*path == '/' || *path == '$' || *where == '$');
}

/* "static:value" and "static:{ value }". */
static void add_static(const char *value, size_t note, struct table *table)
{
    size_t length = strlen(value);
    bool braced = *value == '{' && value[length - 1] == '}';
    char *copy = memory_copy(value + braced, length - 2 * braced);
    add_row(table, "", text_trim(copy), note);
    memory_wipe(copy, length - 2 * braced);
    free(copy);
}

bool table_read(struct postfix *postfix, const char *name, const char *where, bool secret,
                struct table *table)
{
    where = without_proxy(where);
    if (secret && text_starts(where, "static:")) {
        add_static(where + strlen("static:"), postfix_note(postfix, name), table);
        return true;
    }
    const char *colon = strchr(where, ':');
    const char *path = colon ? colon + 1 : where;
    struct source source;
    struct source_line line;
    if (!(colon ? has_text(where, (size_t)(colon - where)) : *where == '/') || *path != '/') {
        postfix_say(postfix, name, IMPORT_LEFT,
                    "%s is not taken over: only the text of a table can be read (%s)",
                    secret && !table_is_elsewhere(where) ? "****" : where,
                    "hash:, lmdb:, texthash: and their like, with a whole path");
        return false;
    }
    bool there = source_open(postfix->importing, path, SOURCE_NAMED, &source);
    while (there && source_next(postfix->importing, &source, SOURCE_INDENTED, &line))
        take_row(postfix, &source, &line, secret, table);
    source_free(&source);
    postfix_say(postfix, name, there ? IMPORT_SAME : IMPORT_LEFT,
                there ? "the lines of %s are read" : "not taken over: %s cannot be read", path);
    return there;
}

void table_read_all(struct postfix *postfix, const char *name, bool secret, struct table *table)
{
    struct texts items = {0};
    postfix_split(postfix_value(postfix, name), &items);
    for (size_t i = 0; i < items.count; i++)
        table_read(postfix, name, items.items[i], secret, table);
    texts_free(&items);
}

const struct row *table_find(const struct table *table, const char *key)
{
    for (size_t i = 0; i < table->count; i++)
        if (!*table->rows[i].key || text_equal(table->rows[i].key, key))
            return &table->rows[i];
    return NULL;
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        memory_wipe(table->rows[i].value, strlen(table->rows[i].value));
        free(table->rows[i].value);
        free(table->rows[i].key);
    }
    free(table->rows);
    *table = (struct table){0};
}

/* ---- next hops ---- */

static bool parse_port(const char *text, unsigned *port)
{
    static const struct {
        const char *name;
        unsigned port;
    } services[] = {{"smtp", 25}, {"smtps", 465}, {"submissions", 465}, {"submission", 587}};
    uint64_t number;
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
        if (text_equal(services[i].name, text)) {
            *port = services[i].port;
            return true;
        }
    if (!text_to_number(text, 1, 65535, &number))
        return false;
    *port = (unsigned)number;
    return true;
}

bool hop_parse(const char *text, struct hop *hop)
{
    const char *close = *text == '[' ? strchr(text, ']') : NULL;
    const char *colon = close ? (close[1] ? close + 1 : NULL) : strrchr(text, ':');
    const char *end = close ? close : colon ? colon : text + strlen(text);
    struct buffer host = {0};
    *hop = (struct hop){.port = 25, .mx = !close};
    if ((*text == '[' && !close) ||
        (colon && (*colon != ':' || !parse_port(colon + 1, &hop->port))))
        return false;
    text += close ? 1 : 0;
    text += text_starts(text, "ipv6:") ? strlen("ipv6:") : 0;
    buffer_append(&host, text, (size_t)(end - text));
    bool v6 = strchr(buffer_text(&host), ':') != NULL;
    struct buffer item = {0};
    buffer_format(&item, v6 ? "[%s]" : "%s", buffer_text(&host));
    buffer_free(&host);
    hop->host = buffer_take(&item);
    return true;
}

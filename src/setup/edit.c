/*
 * See edit.h. There is no second parser: the reader says in which lines a key stands. Where a new
 * line may go, so that none behind it gets another meaning (an indented line goes on with the one
 * above), is tried out: the first place after which all reads as it should is taken.
 */
#include "setup/edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/keys.h"
#include "config/reader.h"
#include "setup/edit_lines.h"

enum { PLACES = 4 /* that are tried for a new line */ };

/* ---- reading ---- */

static char *copy(const char *text)
{
    return memory_copy(text, strlen(text));
}

static void forget(char *text)
{
    if (text)
        memory_wipe(text, strlen(text));
    free(text);
}

static bool is_at(const struct edit_entry *entry, const char *section, const char *name,
                  const char *key)
{
    if (!text_equal(entry->section, section) || strcmp(entry->name, name) != 0)
        return false;
    return key ? entry->key && text_equal(entry->key, key) : !entry->key;
}

static struct edit_entry *find(const struct edit *edit, const char *section, const char *name,
                               const char *key)
{
    for (size_t i = 0; i < edit->count; i++)
        if (is_at(&edit->entries[i], section, name, key))
            return &edit->entries[i];
    return NULL;
}

static void add_line(struct edit_entry *entry, unsigned line)
{
    entry->lines = memory_resize(entry->lines, (entry->line_count + 1) * sizeof *entry->lines);
    entry->lines[entry->line_count++] = line;
}

static void add_value(struct edit_entry *entry, const char *value)
{
    struct buffer whole = {0};
    buffer_append_text(&whole, entry->value);
    if (*entry->value && *value)
        buffer_append_text(&whole, ", ");
    buffer_append_text(&whole, value);
    forget(entry->value);
    entry->value = buffer_take(&whole);
}

static struct outcome take(void *context, const struct entry *entry)
{
    struct edit *edit = context;
    if (entry->continued && edit->count) {
        add_line(&edit->entries[edit->count - 1], entry->line);
        add_value(&edit->entries[edit->count - 1], entry->value);
        return outcome_done();
    }
    if (find(edit, entry->section, entry->name, entry->key))
        return reader_fault(entry,
                            entry->key ? "%.60s is given a second time in this section"
                                       : "section %.60s stands here a second time",
                            entry->key ? entry->key : entry->section);
    edit->entries = memory_resize(edit->entries, (edit->count + 1) * sizeof *edit->entries);
    struct edit_entry *added = &edit->entries[edit->count++];
    *added = (struct edit_entry){.section = copy(entry->section), .name = copy(entry->name)};
    if (entry->key) {
        added->key = copy(entry->key);
        added->value = copy(entry->value);
    }
    add_line(added, entry->line);
    return outcome_done();
}

int edit_make_file(const char *text, size_t length)
{
    int fd = memfd_create("settings", MFD_CLOEXEC);
    if (fd >= 0 && (!file_write(fd, text, length) || lseek(fd, 0, SEEK_SET) < 0))
        file_close(&fd);
    return fd;
}

struct outcome edit_open(struct edit *edit, const char *path, const char *text, size_t length)
{
    const struct reader reader = {
        .section = take, .value = take, .context = edit, .too_long = ": make it shorter"};
    *edit = (struct edit){.path = copy(path)};
    buffer_append(&edit->text, text, length);
    int fd = edit_make_file(text, length);
    if (fd < 0)
        return outcome_errno(errno, "cannot make a file in memory");
    struct outcome outcome = reader_read(&reader, fd, path);
    file_close(&fd);
    return outcome;
}

void edit_free(struct edit *edit)
{
    for (size_t i = 0; i < edit->count; i++) {
        free(edit->entries[i].section);
        free(edit->entries[i].name);
        free(edit->entries[i].key);
        forget(edit->entries[i].value);
        free(edit->entries[i].lines);
    }
    free(edit->entries);
    free(edit->path);
    buffer_wipe(&edit->text);
    *edit = (struct edit){0};
}

static bool has_section(const struct edit *edit, const char *section, const char *name)
{
    return find(edit, section, name, NULL) != NULL;
}

const char *edit_find(const struct edit *edit, const char *section, const char *name,
                      const char *key)
{
    const struct edit_entry *entry = find(edit, section, name, key);
    return entry ? entry->value : NULL;
}

/* ---- whether an edit did what it should ---- */

struct change {
    const char *section, *name, *key;
    const char *value; /* NULL: the key is to be gone */
    bool list;
};

static bool is_same_list(const char *a, const char *b)
{
    struct texts first = {0}, second = {0};
    texts_split(&first, a);
    texts_split(&second, b);
    bool same = first.count == second.count;
    for (size_t i = 0; same && i < first.count; i++)
        same = strcmp(first.items[i], second.items[i]) == 0;
    texts_free(&first);
    texts_free(&second);
    return same;
}

static bool has_value(const struct change *change, const char *value)
{
    return change->list ? is_same_list(change->value, value) : strcmp(change->value, value) == 0;
}

/* The entry at or behind this place that the change is not about: neither its key, nor its section
 * if that was made for it. NULL behind the last one. */
static const struct edit_entry *next_other(const struct edit *edit, const struct change *change,
                                           bool made, size_t *place)
{
    while (*place < edit->count) {
        const struct edit_entry *entry = &edit->entries[(*place)++];
        if (!is_at(entry, change->section, change->name, change->key) &&
            !(made && is_at(entry, change->section, change->name, NULL)))
            return entry;
    }
    return NULL;
}

static bool is_same_entry(const struct edit_entry *a, const struct edit_entry *b)
{
    return is_at(a, b->section, b->name, b->key) && (!a->key || strcmp(a->value, b->value) == 0);
}

static bool is_as_meant(const struct edit *before, const struct edit *after,
                        const struct change *change)
{
    const char *value = edit_find(after, change->section, change->name, change->key);
    if (change->value ? !value || !has_value(change, value) : value != NULL)
        return false;
    bool made = !has_section(before, change->section, change->name);
    size_t here = 0, there = 0;
    for (;;) {
        const struct edit_entry *old = next_other(before, change, made, &here);
        const struct edit_entry *new = next_other(after, change, made, &there);
        if (!old || !new)
            return !old && !new;
        if (!is_same_entry(old, new))
            return false;
    }
}

/* The text takes the place of the old one, if it reads as it should. */
static bool try_text(struct edit *edit, const struct buffer *text, const struct change *change)
{
    struct edit after;
    struct outcome outcome = edit_open(&after, edit->path, buffer_text(text), text->length);
    bool good = outcome_good(&outcome) && is_as_meant(edit, &after, change);
    if (good) {
        struct edit old = *edit;
        *edit = after;
        after = old;
    }
    edit_free(&after);
    return good;
}

/* ---- changing lines ---- */

/* The lines of the entry, and what takes their place at the first of them. */
static bool replace(struct edit *edit, const struct edit_entry *entry, const char *lines,
                    const struct change *change)
{
    struct buffer text = {0};
    edit_lines_replace(buffer_text(&edit->text), edit->text.length, entry->lines, entry->line_count,
                       lines, &text);
    bool good = try_text(edit, &text, change);
    buffer_wipe(&text);
    return good;
}

static bool insert(struct edit *edit, size_t line, const char *lines, const struct change *change)
{
    struct buffer text = {0};
    edit_lines_insert(buffer_text(&edit->text), edit->text.length, line, lines, &text);
    bool good = try_text(edit, &text, change);
    buffer_wipe(&text);
    return good;
}

static unsigned last_line_of(const struct edit_entry *entry)
{
    return entry->lines[entry->line_count - 1];
}

/* The line of the next section behind this entry; one behind the last line if there is none. */
static size_t end_of_section(const struct edit *edit, const struct edit_entry *entry)
{
    for (entry++; entry < edit->entries + edit->count; entry++)
        if (!entry->key)
            return entry->lines[0];
    return edit_lines_count(buffer_text(&edit->text), edit->text.length) + 1;
}

/* The last line that says something in the section of this heading. */
static size_t last_line_in(const struct edit *edit, const struct edit_entry *heading)
{
    const struct edit_entry *last = heading;
    for (const struct edit_entry *entry = heading + 1;
         entry < edit->entries + edit->count && entry->key; entry++)
        last = entry;
    return last_line_of(last);
}

static bool add_key(struct edit *edit, const struct edit_entry *heading, const char *lines,
                    const struct change *change)
{
    const char *text = buffer_text(&edit->text);
    size_t example = edit_lines_find_key(text, edit->text.length, heading->lines[0] + 1,
                                         end_of_section(edit, heading), change->key);
    const size_t places[PLACES] = {example ? example + 1 : 0, last_line_in(edit, heading) + 1,
                                   heading->lines[0] + 1};
    for (size_t i = 0; i < PLACES; i++)
        if (places[i] && insert(edit, places[i], lines, change))
            return true;
    return false;
}

/* Behind the last section of its kind, else behind an example of it in a comment, else at the end
 * of the file. */
static bool add_section(struct edit *edit, const char *lines, const struct change *change)
{
    const char *text = buffer_text(&edit->text);
    size_t length = edit->text.length, places[PLACES] = {0};
    for (size_t i = 0; i < edit->count; i++)
        if (!edit->entries[i].key && text_equal(edit->entries[i].section, change->section))
            places[0] = last_line_in(edit, &edit->entries[i]) + 1;
    if (!places[0])
        places[0] = edit_lines_find_section(text, length, change->section);
    places[1] = edit_lines_count(text, length) + 1;
    struct buffer whole = {0};
    for (size_t i = 0; i < PLACES; i++) {
        if (!places[i])
            continue;
        buffer_wipe(&whole);
        edit_lines_make_section(text, length, places[i], change->section, change->name, lines,
                                &whole);
        if (insert(edit, places[i], buffer_text(&whole), change))
            break;
    }
    buffer_wipe(&whole);
    return has_section(edit, change->section, change->name);
}

static bool apply(struct edit *edit, const char *lines, const struct change *change)
{
    const struct edit_entry *entry = find(edit, change->section, change->name, change->key);
    if (entry)
        return replace(edit, entry, lines, change);
    const struct edit_entry *heading = find(edit, change->section, change->name, NULL);
    return heading ? add_key(edit, heading, lines, change) : add_section(edit, lines, change);
}

struct outcome edit_set(struct edit *edit, const char *section, const char *name, const char *key,
                        const char *value)
{
    const struct key *known = keys_find(section, key);
    const struct change change = {section, name, key, value, known && known->list};
    const struct edit_entry *entry = find(edit, section, name, key);
    if (entry && has_value(&change, entry->value))
        return outcome_done();
    const char *old = NULL;
    size_t old_length = 0;
    if (entry)
        old = edit_lines_at(buffer_text(&edit->text), edit->text.length, entry->lines[0],
                            &old_length);
    bool done = false;
    for (int way = 0; way < EDIT_WAYS && !done; way++) {
        struct buffer lines = {0};
        if (edit_lines_make_key(buffer_text(&edit->text), old, old_length, key, value, change.list,
                                way, &lines))
            done = apply(edit, buffer_text(&lines), &change);
        buffer_wipe(&lines);
    }
    if (done)
        return outcome_done();
    return outcome_refuse(EX_DATAERR,
                          "%s: no line can carry this value of %s: it is too long, or has white "
                          "space at its ends or before a ';', or control characters",
                          edit->path, key);
}

static struct outcome drop(struct edit *edit, const char *section, const char *name,
                           const char *key, bool stays)
{
    const struct change change = {.section = section, .name = name, .key = key};
    const struct edit_entry *entry = find(edit, section, name, key);
    struct buffer lines = {0};
    if (!entry)
        return outcome_done();
    for (size_t i = 0; stays && i < entry->line_count; i++) {
        size_t length;
        const char *line =
            edit_lines_at(buffer_text(&edit->text), edit->text.length, entry->lines[i], &length);
        edit_lines_make_comment(line, length, &lines);
    }
    bool done = replace(edit, entry, buffer_text(&lines), &change);
    buffer_wipe(&lines);
    if (done)
        return outcome_done();
    return outcome_refuse(EX_CONFIG, "%s: %s cannot be taken out: do it by hand", edit->path,
                          key ? key : section);
}

struct outcome edit_comment_out(struct edit *edit, const char *section, const char *name,
                                const char *key)
{
    return drop(edit, section, name, key, true);
}

struct outcome edit_remove(struct edit *edit, const char *section, const char *name,
                           const char *key)
{
    return drop(edit, section, name, key, false);
}

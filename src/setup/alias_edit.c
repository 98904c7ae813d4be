/* See alias_edit.h. What a line means is said by route/alias_text.h alone; what was written is read
 * back. */
#include "setup/alias_edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/file.h"
#include "base/text.h"
#include "route/alias_text.h"
#include "setup/edit.h"

/* One reading. */
struct look {
    const char *name;
    struct texts others; /* "key value" of all other aliases */
    struct buffer *targets;
    unsigned line; /* of the alias; 0: there is none */
    unsigned next; /* of the alias behind it; 0: none */
};

static struct outcome take(void *context, const struct alias *alias)
{
    struct look *look = context;
    if (look->line && !look->next)
        look->next = alias->line;
    if (!look->line && strcmp(alias->key, look->name) == 0) {
        look->line = alias->line;
        buffer_append_text(look->targets, alias->value);
        return outcome_done();
    }
    struct buffer other = {0};
    buffer_format(&other, "%s %s", alias->key, alias->value);
    texts_add(&look->others, buffer_text(&other));
    buffer_free(&other);
    return outcome_done();
}

static struct outcome read_text(const char *path, const struct buffer *text, struct look *look)
{
    int fd = edit_make_file(buffer_text(text), text->length);
    if (fd < 0)
        return outcome_errno(errno, "cannot make a file in memory");
    struct outcome outcome = alias_text_read(fd, path, take, look);
    file_close(&fd);
    return outcome;
}

struct outcome alias_edit_find(const char *path, const struct buffer *text, const char *name,
                               struct buffer *targets, bool *found)
{
    struct look look = {.name = name, .targets = targets};
    struct outcome outcome = read_text(path, text, &look);
    *found = look.line != 0;
    texts_free(&look.others);
    return outcome;
}

/* Whether a line goes on with an alias: what is neither empty nor a comment, between two. */
static bool is_part(const char *line, size_t length)
{
    size_t blanks = strspn(line, " \t");
    return blanks < length && line[blanks] != '\n' && line[blanks] != '\r' && line[blanks] != '#';
}

static void put_alias(const char *name, const char *target, struct buffer *result)
{
    if (result->length && result->data[result->length - 1] != '\n')
        buffer_append_byte(result, '\n');
    buffer_format(result, "%s: %s\n", name, target);
}

static void make_text(const struct buffer *text, const struct look *look, const char *target,
                      struct buffer *result)
{
    const char *line = buffer_text(text), *end = line + text->length;
    bool goes_on = false;
    for (unsigned number = 1; line < end; number++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((newline ? newline + 1 : end) - line);
        bool inside = look->line && number >= look->line && (!look->next || number < look->next);
        if (number == look->line)
            put_alias(look->name, target, result);
        if (inside && (goes_on || is_part(line, length)))
            buffer_append_byte(result, '#');
        goes_on = inside && length >= 2 && line[length - 2] == '\\';
        buffer_append(result, line, length);
        line += length;
    }
    if (!look->line)
        put_alias(look->name, target, result);
}

/* The targets as they were given, one or a list of them, and all other aliases as they were. */
static bool is_as_meant(const struct look *before, const struct look *after, const char *target)
{
    struct texts meant = {0}, targets = {0};
    bool same = alias_split(target, &meant) && meant.count > 0 &&
                alias_split(buffer_text(after->targets), &targets) &&
                targets.count == meant.count && before->others.count == after->others.count;
    for (size_t i = 0; same && i < meant.count; i++)
        same = strcmp(targets.items[i], meant.items[i]) == 0;
    for (size_t i = 0; same && i < before->others.count; i++)
        same = strcmp(before->others.items[i], after->others.items[i]) == 0;
    texts_free(&meant);
    texts_free(&targets);
    return same;
}

struct outcome alias_edit_set(const char *path, const struct buffer *text, const char *name,
                              const char *target, struct buffer *result)
{
    struct buffer old = {0}, now = {0};
    struct look before = {.name = name, .targets = &old}, after = {.name = name, .targets = &now};
    struct outcome outcome = read_text(path, text, &before);
    if (outcome_good(&outcome)) {
        make_text(text, &before, target, result);
        outcome = read_text(path, result, &after);
        if (!outcome_good(&outcome) || !is_as_meant(&before, &after, target))
            outcome = outcome_refuse(EX_DATAERR, "\"%.200s\" is no address for an alias", target);
    }
    texts_free(&before.others);
    texts_free(&after.others);
    buffer_free(&old);
    buffer_free(&now);
    return outcome;
}

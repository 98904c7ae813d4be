/* Reading aliases as text (see alias_text.h). */
#include "route/alias_text.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/file.h"
#include "base/memory.h"
#include "mail/domain.h"

/* The file on its way through. */
struct reading {
    const char *path;
    unsigned line;       /* the present one */
    struct buffer entry; /* the alias that is being put together */
    unsigned entry_line; /* where it began; 0: there is none */
    bool goes_on;        /* the last line ended in a '\' */
    struct outcome (*take)(void *context, const struct alias *alias);
    void *context;
};

struct outcome alias_fault(const char *path, unsigned line, const char *why)
{
    struct outcome outcome = outcome_later("4.3.5", "%s:%u: %s", path, line, why);
    outcome.exit_status = EX_DATAERR;
    return outcome;
}

/* Behind a '"': what follows the closing one; NULL: there is none. */
static const char *pass_quoted(const char *text)
{
    for (; *text; text++) {
        if (*text == '"')
            return text + 1;
        if (*text == '\\' && text[1])
            text++;
    }
    return NULL;
}

/*
 * Passes one character, or a whole quoted string, comment, angle or square bracket. NULL: it is not
 * closed.
 */
static const char *pass(const char *text)
{
    static const char open[] = "(<[", close[] = ")>]";
    if (*text == '"')
        return pass_quoted(text + 1);
    if (*text == '\\' && text[1])
        return text + 2;
    const char *which = strchr(open, *text);
    if (!*text || !which)
        return text + 1;
    char begin = *text, end = close[which - open];
    size_t depth = 1;
    for (text++; text && *text;) {
        if (*text == end && --depth == 0)
            return text + 1;
        if (*text == begin && begin == '(')
            depth++;
        if (*text == '"' && begin == '<')
            text = pass_quoted(text + 1);
        else
            text += 1 + (*text == '\\' && text[1]);
    }
    return NULL;
}

/* The next of such a character that is outside of everything; the end; NULL as above. */
static const char *find_outside(const char *text, char wanted)
{
    while (text && *text && *text != wanted)
        text = pass(text);
    return text;
}

/* Files and commands without quotes around them may hold any bracket. */
static const char *find_end_of_target(const char *text)
{
    text += strspn(text, " \t");
    if (*text != '|' && *text != '/')
        return find_outside(text, ',');
    while (text && *text && *text != ',')
        text = *text == '"' ? pass_quoted(text + 1) : text + 1;
    return text;
}

bool alias_split(const char *value, struct texts *targets)
{
    for (;;) {
        const char *comma = find_end_of_target(value);
        if (!comma)
            return false;
        char *item = memory_copy(value, (size_t)(comma - value));
        const char *trimmed = text_trim(item);
        if (*trimmed)
            texts_add(targets, trimmed);
        free(item);
        if (!*comma)
            return true;
        value = comma + 1;
    }
}

void alias_key_of(const struct address *address, struct buffer *key)
{
    if (address->local && strchr(address->local, '@')) {
        address_format(address, key); /* quoted: "a@b" is not a@b */
    } else {
        buffer_append_text(key, address->local ? address->local : "");
        if (address->domain)
            buffer_format(key, "@%s", address->domain);
    }
    if (key->data)
        text_lower(key->data);
}

/* Of a key as it is written. False: *why in static words. */
static bool parse_key(const char *text, struct buffer *key, const char **why)
{
    struct address address = {0};
    if (*text == '@') {
        const char *name = text + 1;
        bool literal = *name == '[';
        if (!(literal ? domain_parse_literal : domain_parse)(name, strlen(name), &address.domain,
                                                             why))
            return false;
    } else {
        for (const char *c = text; c && *c; c = pass(c))
            if (strchr(" \t<(,", *c)) {
                *why = "a name with blanks or the like needs quotes around it";
                return false;
            }
        if (!address_parse(text, &address, why))
            return false;
    }
    alias_key_of(&address, key);
    address_free(&address);
    return true;
}

/* Parts an entry at its colon, and checks the key; what is good goes to the taker. */
static struct outcome take_entry(struct reading *reading, char *entry)
{
    const char *colon = find_outside(entry, ':');
    if (!colon)
        return alias_fault(reading->path, reading->entry_line,
                           "a quote, comment or bracket is not closed");
    if (!*colon)
        return alias_fault(reading->path, reading->entry_line,
                           "no ':' behind the name: write \"name: target\"");
    entry[colon - entry] = '\0';
    char *value = text_trim(entry + (colon - entry) + 1);
    struct buffer key = {0};
    const char *why;
    struct outcome outcome;
    struct texts targets = {0};
    if (!parse_key(text_trim(entry), &key, &why))
        outcome = alias_fault(reading->path, reading->entry_line, why);
    else if (!alias_split(value, &targets))
        outcome = alias_fault(reading->path, reading->entry_line,
                              "a quote, comment or bracket is not closed");
    else if (targets.count == 0)
        outcome = alias_fault(reading->path, reading->entry_line, "no target behind the ':'");
    else
        outcome = reading->take(
            reading->context,
            &(struct alias){.line = reading->entry_line, .key = buffer_text(&key), .value = value});
    texts_free(&targets);
    buffer_free(&key);
    return outcome;
}

static struct outcome finish_entry(struct reading *reading)
{
    if (!reading->entry_line)
        return outcome_done();
    struct outcome outcome = reading->entry.failed ? alias_fault(reading->path, reading->entry_line,
                                                                 "the alias is too long")
                                                   : take_entry(reading, reading->entry.data);
    reading->entry_line = 0;
    buffer_clear(&reading->entry);
    return outcome;
}

static const char *find_bad_byte(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 127)
            return line[i] ? "the line holds a control character" : "the line holds a NUL byte";
    return text_is_utf8(line, length) ? NULL : "the line is not valid UTF-8";
}

/* A line without its end. */
static struct outcome take_line(struct reading *reading, char *line, size_t length)
{
    size_t blanks = strspn(line, " \t");
    bool goes_on = reading->goes_on;
    reading->goes_on = false;
    if (!goes_on && (blanks == length || line[blanks] == '#'))
        return outcome_done();
    const char *fault = find_bad_byte(line, length);
    if (fault)
        return alias_fault(reading->path, reading->line, fault);
    if (!goes_on && blanks && !reading->entry_line)
        return alias_fault(reading->path, reading->line,
                           "an indented line goes on with an alias, and there is none above");
    if (!goes_on && !blanks) {
        struct outcome outcome = finish_entry(reading);
        if (!outcome_good(&outcome))
            return outcome;
        reading->entry_line = reading->line;
    }
    reading->goes_on = length && line[length - 1] == '\\';
    buffer_append_byte(&reading->entry, ' ');
    buffer_append(&reading->entry, line, length - reading->goes_on);
    return outcome_done();
}

static struct outcome take_lines(struct reading *reading, struct input *input)
{
    struct buffer line = {.limit = ALIAS_LINE_LONGEST + 2};
    struct outcome outcome = outcome_done();
    while (outcome_good(&outcome) && input_line(input, &line)) {
        reading->line++;
        size_t length = line.length;
        if (length && line.data[length - 1] == '\n')
            length--;
        if (length && line.data[length - 1] == '\r')
            length--;
        if (line.failed || length > ALIAS_LINE_LONGEST) {
            outcome = alias_fault(reading->path, reading->line,
                                  "the line has over 1 MiB: go on in indented lines");
        } else {
            line.data[length] = '\0';
            outcome = take_line(reading, line.data, length);
        }
        buffer_clear(&line);
    }
    buffer_free(&line);
    return outcome;
}

struct outcome alias_text_read(int fd, const char *path,
                               struct outcome (*take)(void *context, const struct alias *alias),
                               void *context)
{
    struct reading reading = {
        .path = path,
        .entry = {.limit = ALIAS_ENTRY_LONGEST},
        .take = take,
        .context = context,
    };
    struct input input = {.fd = fd};
    struct outcome outcome = take_lines(&reading, &input);
    if (outcome_good(&outcome) && input.error)
        outcome = outcome_errno(input.error, "cannot read %s", path);
    if (outcome_good(&outcome))
        outcome = finish_entry(&reading);
    input_free(&input);
    buffer_free(&reading.entry);
    return outcome;
}

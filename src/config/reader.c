/*
 * The lines of an ini file on their way into inih (see reader.h). How inih reads a line is its
 * own business; what it would do badly is found here before: it cuts a line at the size of its
 * buffer and a section's name at 50 bytes, drops what stands behind a ']', takes an indented
 * line for more of the value before it, even if that line is a section.
 */
#include "config/reader.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

enum {
    FILE_LONGEST = 256 * 1024,
    INIH_STACK = 8192 /* more than inih's frame, which holds a line and two names */
};

enum line_kind { LINE_EMPTY, LINE_SECTION, LINE_VALUE, LINE_CONTINUED };

/* One reading. */
struct reading {
    const struct reader *reader;
    struct entry entry;
    char *next; /* the rest of the file; NULL behind its last line */
    char *end;
    char *section, *name; /* owned, of the section that we are in */
    bool in_section;
    bool has_key;      /* an indented line would continue a value */
    bool awaits_value; /* inih was given a line that must come back as a value */
    struct outcome outcome;
};

struct outcome reader_fault(const struct entry *entry, const char *format, ...)
{
    char words[384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    return outcome_refuse(EX_CONFIG, "%s:%u: %s", entry->path, entry->line, words);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* White space before a ';' begins a comment. */
static char *find_comment(char *text)
{
    for (; *text; text++)
        if (is_blank(*text) && text[1] == ';')
            return text;
    return NULL;
}

static const char *find_bad_byte(const char *line, size_t length)
{
    if (memchr(line, '\0', length))
        return "the line holds a NUL byte";
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 127)
            return "the line holds a control character";
    if (!text_is_utf8(line, length))
        return "the line is not valid UTF-8";
    return NULL;
}

static enum line_kind classify(const struct reading *reading, const char *line)
{
    const char *start = line + strspn(line, " \t");
    if (!*start || *start == ';' || *start == '#')
        return LINE_EMPTY;
    if (start > line && reading->has_key)
        return LINE_CONTINUED;
    return *start == '[' ? LINE_SECTION : LINE_VALUE;
}

/* Splits "smarthost "st2"" between the brackets into word and name. False: not of that form. */
static bool split_section(char *inside, char **word, char **name)
{
    char *text = text_trim(inside);
    size_t length = strcspn(text, " \t\"");
    char *rest = text + length + strspn(text + length, " \t");
    *name = rest;
    if (*rest) {
        size_t quoted = strlen(rest);
        if (*rest != '"' || quoted < 3 || rest[quoted - 1] != '"' ||
            memchr(rest + 1, '"', quoted - 2))
            return false;
        rest[quoted - 1] = '\0';
        *name = rest + 1;
    }
    text[length] = '\0';
    *word = text;
    return length > 0;
}

/* The ']' behind a section's name, which may hold one itself: [route "[192.0.2.1]"]. */
static const char *find_close(const char *inside)
{
    bool quoted = false;
    for (const char *c = inside; *c; c++) {
        if (*c == ']' && !quoted)
            return c;
        quoted = quoted != (*c == '"');
    }
    return strchr(inside, ']');
}

/* Keeps the whole name of the section that a raw line begins, and tells of it. */
static struct outcome begin_section(struct reading *reading, const char *line)
{
    struct entry *entry = &reading->entry;
    const char *open = strchr(line, '[') + 1;
    const char *close = find_close(open);
    if (!close)
        return reader_fault(entry, "a section without its ']'");
    const char *behind = close + 1 + strspn(close + 1, " \t");
    if (*behind && !(is_blank(close[1]) && (*behind == ';' || *behind == '#')))
        return reader_fault(entry, "something stands behind the section: give it its own line");
    char *inside = memory_copy(open, (size_t)(close - open));
    char *word, *name;
    bool good = !find_comment(inside) && split_section(inside, &word, &name);
    if (good) {
        free(reading->section);
        free(reading->name);
        reading->section = memory_copy(word, strlen(word));
        reading->name = memory_copy(name, strlen(name));
    }
    free(inside);
    if (!good)
        return reader_fault(entry, "not a section: write [word] or [word \"name\"]");
    entry->section = reading->section;
    entry->name = reading->name;
    entry->key = entry->value = NULL;
    entry->continued = entry->commented = false;
    reading->in_section = true;
    reading->has_key = false;
    return reading->reader->section(reading->reader->context, entry);
}

/* Looks at a raw line as a whole, before inih does. room: bytes that inih takes, its NUL counted.
 */
static struct outcome look_at(struct reading *reading, char *line, size_t length, size_t room)
{
    struct entry *entry = &reading->entry;
    const char *fault = find_bad_byte(line, length);
    if (fault)
        return reader_fault(entry, "%s", fault);
    if (length + 2 > room)
        return reader_fault(entry, "the line has %zu bytes, the limit is %zu%s", length, room - 2,
                            reading->reader->too_long);
    enum line_kind kind = classify(reading, line);
    entry->continued = kind == LINE_CONTINUED;
    entry->commented = find_comment(line) != NULL;
    reading->awaits_value = kind == LINE_VALUE || kind == LINE_CONTINUED;
    if (kind == LINE_SECTION)
        return begin_section(reading, line);
    if (reading->awaits_value && !reading->in_section)
        return reader_fault(entry, "a key before the first [section]");
    return outcome_done();
}

/* A line that inih was given and did not bring back has no '='. */
static bool was_understood(struct reading *reading)
{
    if (outcome_good(&reading->outcome) && reading->awaits_value)
        reading->outcome =
            reader_fault(&reading->entry, "the line is neither a [section] nor \"key = value\"");
    return outcome_good(&reading->outcome);
}

/* inih asks for a line as it would ask fgets. */
static char *give_line(char *space, int size, void *stream)
{
    struct reading *reading = stream;
    if (!was_understood(reading) || reading->next == reading->end || size < 3)
        return NULL;
    char *line = reading->next;
    char *newline = memchr(line, '\n', (size_t)(reading->end - line));
    reading->next = newline ? newline + 1 : reading->end;
    reading->entry.line++;
    size_t length = (size_t)((newline ? newline : reading->end) - line);
    if (length && line[length - 1] == '\r')
        length--;
    line[length] = '\0';
    if (reading->entry.line == 1 && length >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0)
        line += 3, length -= 3;
    reading->outcome = look_at(reading, line, length, (size_t)size);
    if (!outcome_good(&reading->outcome))
        return NULL;
    memcpy(space, line, length);
    memcpy(space + length, "\n", 2);
    return space;
}

/* inih has found a key and its value. */
static int take_value(void *user, const char *section, const char *key, const char *value)
{
    struct reading *reading = user;
    (void)section; /* maybe cut: ours is whole */
    if (!key || !value || !reading->awaits_value)
        return 1;
    reading->awaits_value = false;
    reading->has_key = true;
    struct entry *entry = &reading->entry;
    /* Old releases of inih leave a comment on a continued line, new ones do not. */
    char *copy = memory_copy(value, strlen(value));
    size_t size = strlen(copy);
    char *comment = entry->continued ? find_comment(copy) : NULL;
    if (comment)
        *comment = '\0';
    entry->key = key;
    entry->value = text_trim(copy);
    reading->outcome = reading->reader->value(reading->reader->context, entry);
    entry->key = entry->value = NULL;
    memory_wipe(copy, size);
    free(copy);
    return outcome_good(&reading->outcome);
}

/* inih keeps lines in its stack frame, where this one lies afterwards (and not where ASan would put
 * it). */
static __attribute__((noinline, no_sanitize("address"))) void wipe_stack(void)
{
    char space[INIH_STACK];
    memory_wipe(space, sizeof space);
}

/* Bytes to be ready for: what a file has, so that a small one costs little; what is none may have
 * as much as is allowed. */
static size_t room_for(int fd)
{
    struct stat info;
    bool known = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0;
    return known && info.st_size < FILE_LONGEST ? (size_t)info.st_size : FILE_LONGEST;
}

struct outcome reader_read(const struct reader *reader, int fd, const char *path)
{
    size_t room = room_for(fd);
    char *content = memory_get(room + 2);
    ssize_t length = file_read(fd, content, room + 1);
    struct reading reading = {.reader = reader, .entry = {.path = path}, .next = content};
    if (length < 0) {
        reading.outcome = outcome_errno(errno, "cannot read %s", path);
        reading.outcome.exit_status = EX_CONFIG;
    } else if ((size_t)length > room && room < FILE_LONGEST) {
        reading.outcome = outcome_later("4.3.5", "%s grew while it was read", path);
    } else if ((size_t)length > room) {
        reading.outcome =
            outcome_refuse(EX_CONFIG, "%s is larger than %d bytes", path, FILE_LONGEST);
    } else {
        reading.outcome = outcome_done();
        reading.end = content + length;
        int result = ini_parse_stream(give_line, &reading, take_value, &reading);
        if (was_understood(&reading) && result != 0)
            reading.outcome =
                outcome_refuse(EX_CONFIG, "%s:%d: the line cannot be read", path, result);
        wipe_stack();
    }
    free(reading.section);
    free(reading.name);
    /* Not all of it: what was never written is no memory yet. */
    memory_wipe(content, length < 0 ? room + 2 : (size_t)length + 1);
    free(content);
    return reading.outcome;
}

/*
 * The fields of a header and their exact bytes. Knows what a line of a header is (RFC
 * 5322 2.2, 4.5) and where a too long one may be folded (2.2.3); must never know what a field
 * means.
 */
#include "mail/header.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* The length of the name that a field line begins with; 0 when it is no such line. */
static size_t name_length(const char *line, size_t length)
{
    size_t name = 0;
    while (name < length && line[name] > ' ' && line[name] < 127 && line[name] != ':')
        name++;
    size_t colon = name;
    while (colon < length && is_space(line[colon]))
        colon++;
    return colon < length && line[colon] == ':' ? name : 0;
}

/* Room doubles, so that a field of many lines takes linear time; the first line gets no more than
 * it needs, so that millions of short fields stay small. */
static void field_append(struct field *field, const char *data, size_t length)
{
    if (field->length + length + 2 > field->capacity) {
        field->capacity = 2 * field->length + length + 2;
        field->text = memory_resize(field->text, field->capacity);
    }
    memcpy(field->text + field->length, data, length);
    field->length += length;
    field->text[field->length] = '\0';
}

static void field_append_line(struct field *field, const char *line, size_t length)
{
    field_append(field, line, length);
    if (field->text[field->length - 1] != '\n')
        field_append(field, "\n", 1);
}

static struct field *add_field(struct header *header, size_t index)
{
    if (header->count == header->capacity) {
        header->capacity = header->capacity ? 2 * header->capacity : 16;
        header->fields = memory_resize(header->fields, header->capacity * sizeof *header->fields);
    }
    struct field *field = header->fields + index;
    memmove(field + 1, field, (header->count - index) * sizeof *field);
    header->count++;
    *field = (struct field){0};
    return field;
}

bool header_take_line(struct header *header, const char *line, size_t length)
{
    if (length == 0 || line[0] == '\n' || (length == 2 && line[0] == '\r' && line[1] == '\n'))
        return false;
    if (is_space(line[0])) {
        if (header->count == 0)
            return false;
        field_append_line(header->fields + header->count - 1, line, length);
        return true;
    }
    size_t name = name_length(line, length);
    if (!name)
        return header->count == 0 && length >= 5 && memcmp(line, "From ", 5) == 0;
    struct field *field = add_field(header, header->count);
    field->name_length = name;
    field_append_line(field, line, length);
    return true;
}

size_t header_find(const struct header *header, const char *name, size_t from)
{
    while (from < header->count && !field_is(header->fields + from, name))
        from++;
    return from < header->count ? from : header->count;
}

const char *field_body(const struct field *field)
{
    return strchr(field->text + field->name_length, ':') + 1;
}

bool field_is(const struct field *field, const char *name)
{
    return text_starts(field->text, name) && strlen(name) == field->name_length;
}

bool field_has_nul(const struct field *field)
{
    return memchr(field->text, '\0', field->length) != NULL;
}

void header_insert(struct header *header, size_t index, const char *name, const char *body)
{
    struct field *field = add_field(header, index);
    field->name_length = strlen(name);
    field_append(field, name, field->name_length);
    field_append(field, ": ", 2);
    field_append_line(field, body, strlen(body));
}

void header_remove(struct header *header, size_t index)
{
    free(header->fields[index].text);
    memmove(&header->fields[index], &header->fields[index + 1],
            (--header->count - index) * sizeof *header->fields);
}

void header_remove_if(struct header *header,
                      bool (*unwanted)(const void *context, const struct field *field),
                      const void *context)
{
    size_t kept = 0;
    for (size_t i = 0; i < header->count; i++) {
        if (unwanted(context, header->fields + i))
            free(header->fields[i].text);
        else
            header->fields[kept++] = header->fields[i];
    }
    header->count = kept;
}

static bool has_name(const void *name, const struct field *field)
{
    return field_is(field, name);
}

void header_remove_all(struct header *header, const char *name)
{
    header_remove_if(header, has_name, name);
}

void header_replace(struct header *header, size_t index, const char *body)
{
    struct field *field = header->fields + index;
    /* The body may point into the old text, which therefore outlives the new one's making. */
    char *old = field->text;
    size_t before = (size_t)(field_body(field) - old);
    field->text = NULL;
    field->length = field->capacity = 0;
    field_append(field, old, before);
    field_append_line(field, body, strlen(body));
    free(old);
}

static size_t count_spaces(const char *line, size_t length)
{
    size_t count = 0;
    while (count < length && is_space(line[count]))
        count++;
    return count;
}

/* How much of a line, which is longer than the limit, goes into a line of its own. */
static size_t fold_at(const char *line, size_t first, size_t limit)
{
    for (size_t at = limit; at > first; at--)
        if (is_space(line[at]))
            return at;
    /* One word fills the line: only then it is cut, though not within a character of UTF-8. */
    for (size_t at = limit; at > limit - 4; at--)
        if (((unsigned char)line[at] & 0xC0) != 0x80)
            return at;
    return limit;
}

/* One line without its LF, over the limit or not. */
static void fold_line(const char *line, size_t length, struct buffer *text)
{
    size_t limit = LINE_LONGEST;
    while (length > limit) {
        size_t spaces = count_spaces(line, length);
        if (spaces > LINE_LONGEST / 2) {
            /* A line of white space alone would look like the end of the header to some. */
            line += spaces - 1;
            length -= spaces - 1;
            continue;
        }
        size_t at = fold_at(line, spaces, limit);
        buffer_append(text, line, at);
        line += at;
        length -= at;
        spaces = count_spaces(line, length);
        if (spaces == length)
            return;
        buffer_append_text(text, spaces ? "\n" : "\n ");
        limit = spaces ? LINE_LONGEST : LINE_LONGEST - 1;
    }
    buffer_append(text, line, length);
}

void header_fold(const char *lines, size_t length, struct buffer *text)
{
    while (length) {
        const char *newline = memchr(lines, '\n', length);
        size_t line = newline ? (size_t)(newline - lines) : length;
        fold_line(lines, line, text);
        if (newline)
            buffer_append_byte(text, '\n');
        line += newline != NULL;
        lines += line;
        length -= line;
    }
}

void header_format(const struct header *header, struct buffer *text)
{
    for (size_t i = 0; i < header->count; i++)
        header_fold(header->fields[i].text, header->fields[i].length, text);
}

void header_free(struct header *header)
{
    for (size_t i = 0; i < header->count; i++)
        free(header->fields[i].text);
    free(header->fields);
    *header = (struct header){0};
}

char *header_words(const struct header *header, const char *name)
{
    size_t at = header_find(header, name, 0);
    if (at == header->count)
        return NULL;
    const char *body = field_body(&header->fields[at]);
    char *copy = memory_copy(body, strlen(body));
    text_tame(copy, strlen(copy));
    const char *trimmed = text_trim(copy);
    char *words = memory_copy(trimmed, strlen(trimmed));
    free(copy);
    return words;
}

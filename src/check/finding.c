/* See finding.h. The line between programs: mark, topic, sentence and remedy, separated by tabs,
 * which no field has in it. */
#include "check/finding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static const char *const mark_names[] = {"good", "hint", "warning", "fault"};

enum { FIELDS = 4 };

static char *copy_tame(const char *text, size_t length)
{
    char *copy = memory_copy(text, length);
    text_tame(copy, length);
    return copy;
}

static char *compose(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

static char *compose(const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        impossible("a finding that cannot be formatted");
    char *text = memory_get((size_t)length + 1);
    (void)vsnprintf(text, (size_t)length + 1, format, arguments);
    text_tame(text, (size_t)length);
    return text;
}

static struct finding *append(struct findings *list)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 16;
        list->items = memory_resize(list->items, list->capacity * sizeof *list->items);
    }
    struct finding *finding = &list->items[list->count++];
    *finding = (struct finding){0};
    return finding;
}

void finding_add(struct findings *list, enum finding_mark mark, const char *topic,
                 const char *format, ...)
{
    va_list arguments;
    struct finding *finding = append(list);
    finding->mark = mark;
    finding->topic = copy_tame(topic, strlen(topic));
    va_start(arguments, format);
    finding->text = compose(format, arguments);
    va_end(arguments);
}

void finding_remedy(struct findings *list, const char *format, ...)
{
    va_list arguments;
    struct finding *finding = &list->items[list->count - 1];
    free(finding->remedy);
    va_start(arguments, format);
    finding->remedy = compose(format, arguments);
    va_end(arguments);
}

enum finding_mark finding_worst(const struct findings *list)
{
    enum finding_mark worst = FINDING_GOOD;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].mark > worst)
            worst = list->items[i].mark;
    return worst;
}

void finding_soften(struct findings *list, enum finding_mark most)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].mark > most)
            list->items[i].mark = most;
}

void finding_take(struct findings *list, struct findings *other)
{
    for (size_t i = 0; i < other->count; i++)
        *append(list) = other->items[i];
    free(other->items);
    *other = (struct findings){0};
}

const char *finding_mark_name(enum finding_mark mark)
{
    return mark_names[mark];
}

void finding_format(const struct findings *list, struct buffer *buffer)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct finding *finding = &list->items[i];
        buffer_format(buffer, "%s\t%s\t%s\t%s\n", mark_names[finding->mark], finding->topic,
                      finding->text, finding->remedy ? finding->remedy : "");
    }
}

void finding_print(const struct findings *list)
{
    struct buffer text = {0};
    finding_format(list, &text);
    fputs(buffer_text(&text), stdout);
    buffer_free(&text);
}

static bool parse_line(const char *line, size_t length, struct findings *list)
{
    const char *fields[FIELDS];
    size_t lengths[FIELDS], mark = 0;
    const char *end = line + length;
    for (size_t i = 0; i < FIELDS; i++) {
        if (!line)
            return false;
        const char *tab = memchr(line, '\t', (size_t)(end - line));
        fields[i] = line;
        lengths[i] = (size_t)((tab ? tab : end) - line);
        line = tab ? tab + 1 : NULL;
    }
    while (mark <= FINDING_FAULT && (strlen(mark_names[mark]) != lengths[0] ||
                                     memcmp(mark_names[mark], fields[0], lengths[0]) != 0))
        mark++;
    if (line || mark > FINDING_FAULT)
        return false;
    struct finding *finding = append(list);
    finding->mark = (enum finding_mark)mark;
    finding->topic = copy_tame(fields[1], lengths[1]);
    finding->text = copy_tame(fields[2], lengths[2]);
    finding->remedy = lengths[3] ? copy_tame(fields[3], lengths[3]) : NULL;
    return true;
}

bool finding_parse(const char *text, size_t length, struct findings *list)
{
    for (const char *end = text + length; text < end;) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        if (!newline || !parse_line(text, (size_t)(newline - text), list))
            return false;
        text = newline + 1;
    }
    return true;
}

void finding_free(struct findings *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].topic);
        free(list->items[i].text);
        free(list->items[i].remedy);
    }
    free(list->items);
    *list = (struct findings){0};
}

/* See diff.h. The longest common subsequence of lines, by the table of everybody. */
#include "setup/diff.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/terminal.h"

enum {
    ABOUT = 2,           /* lines about a change */
    MOST_TABLE = 4 << 20 /* fields; a larger change is shown as one block */
};

struct line {
    const char *data;
    size_t length; /* without its end */
};

struct lines {
    struct line *items;
    size_t count;
};

static void split(const struct buffer *text, struct lines *lines)
{
    const char *start = buffer_text(text), *end = start + text->length;
    *lines = (struct lines){0};
    for (size_t capacity = 0; start < end; lines->count++) {
        if (lines->count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            lines->items = memory_resize(lines->items, capacity * sizeof *lines->items);
        }
        const char *newline = memchr(start, '\n', (size_t)(end - start));
        const char *behind = newline ? newline : end;
        lines->items[lines->count] = (struct line){start, (size_t)(behind - start)};
        start = newline ? newline + 1 : end;
    }
}

static bool is_same(const struct line *a, const struct line *b)
{
    return a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

/* ---- showing ---- */

struct shown {
    struct buffer *result;
    bool secret;
    const struct lines *before;
    size_t next; /* of the old lines, the first that was not shown yet */
    bool any;
};

/* What stands behind a '=' or ':' may be a secret, in a comment too; a section is none. */
static size_t length_to_show(const struct line *line)
{
    size_t start = 0;
    while (start < line->length && strchr(" \t;#", line->data[start]))
        start++;
    if (start == line->length || line->data[start] == '[')
        return line->length;
    while (start < line->length && line->data[start] != '=' && line->data[start] != ':')
        start++;
    return start < line->length ? start + 1 : 0;
}

static void put(const struct shown *shown, char mark, const struct line *line)
{
    size_t length = shown->secret ? length_to_show(line) : line->length;
    buffer_format(shown->result, "  %c ", mark);
    terminal_put(shown->result, line->data, length, false);
    if (length < line->length)
        buffer_append_text(shown->result, length ? " ********" : "********");
    buffer_append_byte(shown->result, '\n');
}

/* Old lines up to this one, but for those far from a change. */
static void put_about(struct shown *shown, size_t until, bool last)
{
    size_t about = shown->secret ? 0 : ABOUT;
    size_t from = shown->next, count = until - from;
    size_t head = shown->any ? about : 0, tail = last ? 0 : about;
    for (size_t i = 0; i < count; i++) {
        if (i < head || i + tail >= count)
            put(shown, ' ', &shown->before->items[from + i]);
        else if (i == head && i > 0)
            buffer_append_text(shown->result, "    ...\n");
    }
    shown->next = until;
}

/* ---- comparing ---- */

/* At [i * (n + 1) + j]: how many lines from i and from j on are common. */
static uint32_t *make_table(const struct line *a, size_t m, const struct line *b, size_t n)
{
    if ((m + 1) > MOST_TABLE / (n + 1))
        return NULL;
    uint32_t *table = memory_get((m + 1) * (n + 1) * sizeof *table);
    for (size_t i = m; i-- > 0;)
        for (size_t j = n; j-- > 0;) {
            uint32_t *here = &table[i * (n + 1) + j];
            if (is_same(&a[i], &b[j]))
                *here = here[n + 2] + 1;
            else
                *here = here[n + 1] > here[1] ? here[n + 1] : here[1];
        }
    return table;
}

/* The lines of the middle, where before has m from its first on, and after n. */
static void compare(struct shown *shown, size_t first, size_t m, const struct lines *after,
                    size_t n)
{
    const struct line *a = shown->before->items + first, *b = after->items + first;
    uint32_t *table = make_table(a, m, b, n);
    size_t i = 0, j = 0;
    while (i < m || j < n) {
        if (table && i < m && j < n && is_same(&a[i], &b[j])) {
            i++, j++;
            continue;
        }
        put_about(shown, first + i, false);
        shown->any = true;
        bool gone = i < m && (!table || j == n ||
                              table[(i + 1) * (n + 1) + j] >= table[i * (n + 1) + j + 1]);
        if (gone) {
            put(shown, '-', &a[i++]);
            shown->next = first + i;
        } else {
            put(shown, '+', &b[j++]);
        }
    }
    free(table);
}

void diff_put(const struct buffer *before, const struct buffer *after, bool secret,
              struct buffer *result)
{
    struct lines old, new;
    split(before, &old);
    split(after, &new);
    size_t first = 0, last = 0;
    while (first < old.count && first < new.count &&is_same(&old.items[first], &new.items[first]))
        first++;
    while (last < old.count - first &&
           last < new.count - first &&is_same(&old.items[old.count - 1 - last],
                                              &new.items[new.count - 1 - last]))
        last++;
    struct shown shown = {.result = result, .secret = secret, .before = &old};
    compare(&shown, first, old.count - first - last, &new, new.count - first - last);
    if (shown.any) {
        size_t end = shown.next + ABOUT < old.count ? shown.next + ABOUT : old.count;
        put_about(&shown, end, true);
    }
    free(old.items);
    free(new.items);
}

/* See edit_lines.h. */
#include "setup/edit_lines.h"

#include <string.h>

#include "base/text.h"

enum {
    WIDTH = 100,       /* bytes from which on a list goes on in a further line */
    COMMENT_MOST = 190 /* bytes of a comment's line: less than the reader takes */
};

static const char indent[] = "    ";

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static const char *end_of_line(const char *line, const char *end)
{
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    return newline ? newline + 1 : end;
}

size_t edit_lines_count(const char *text, size_t length)
{
    size_t count = 0;
    for (const char *end = text + length; text < end; text = end_of_line(text, end))
        count++;
    return count;
}

const char *edit_lines_at(const char *text, size_t length, size_t number, size_t *line_length)
{
    const char *end = text + length;
    for (; text < end; text = end_of_line(text, end))
        if (--number == 0) {
            *line_length = (size_t)(end_of_line(text, end) - text);
            return text;
        }
    return NULL;
}

/* The line end that the file has. */
static const char *newline_of(const char *text)
{
    const char *newline = strchr(text, '\n');
    return newline && newline > text && newline[-1] == '\r' ? "\r\n" : "\n";
}

/* Without its end. */
static size_t bare_length(const char *line, size_t length)
{
    while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
        length--;
    return length;
}

/* ---- examples ---- */

/* What a comment says, *length without the line's end; NULL: the line is none. */
static const char *inside_comment(const char *line, size_t *length)
{
    const char *end = line + bare_length(line, *length);
    while (line < end && is_blank(*line))
        line++;
    if (line == end || (*line != ';' && *line != '#'))
        return NULL;
    while (line < end && (*line == ';' || *line == '#' || is_blank(*line)))
        line++;
    *length = (size_t)(end - line);
    return line;
}

static bool begins_with(const char *text, size_t length, const char *word, const char **rest)
{
    size_t count = strlen(word);
    *rest = text + count;
    return length >= count && text_starts(text, word);
}

static bool has_key(const char *text, size_t length, const char *key)
{
    const char *rest, *end = text + length;
    if (!begins_with(text, length, key, &rest))
        return false;
    while (rest < end && is_blank(*rest))
        rest++;
    return rest < end && (*rest == '=' || *rest == ':');
}

size_t edit_lines_find_key(const char *text, size_t length, size_t first, size_t end,
                           const char *key)
{
    for (size_t number = first; number < end; number++) {
        size_t count;
        const char *line = edit_lines_at(text, length, number, &count);
        const char *comment = line ? inside_comment(line, &count) : NULL;
        if (comment && count && *comment == '[')
            return 0;
        if (comment && has_key(comment, count, key))
            return number;
    }
    return 0;
}

size_t edit_lines_find_section(const char *text, size_t length, const char *section)
{
    bool found = false;
    size_t number = 1, count;
    const char *line;
    for (; (line = edit_lines_at(text, length, number, &count)); number++) {
        const char *rest, *comment = inside_comment(line, &count);
        bool heading = comment && count && *comment == '[';
        if (found && (!comment || heading))
            break;
        found = found ||
                (heading && begins_with(comment + 1, count - 1, section, &rest) && *rest == ']');
    }
    return found ? number : 0;
}

/* ---- whole texts ---- */

/* Begins a line behind what is there. */
static void begin_line(const char *text, struct buffer *result)
{
    if (result->length && result->data[result->length - 1] != '\n')
        buffer_append_text(result, newline_of(text));
}

void edit_lines_replace(const char *text, size_t length, const unsigned *numbers, size_t count,
                        const char *lines, struct buffer *result)
{
    const char *end = text + length;
    size_t next = 0;
    for (size_t number = 1; text < end; number++) {
        const char *behind = end_of_line(text, end);
        if (next == count || number != numbers[next])
            buffer_append(result, text, (size_t)(behind - text));
        else if (next++ == 0)
            buffer_append_text(result, lines);
        text = behind;
    }
}

void edit_lines_insert(const char *text, size_t length, size_t number, const char *lines,
                       struct buffer *result)
{
    size_t count;
    const char *line = edit_lines_at(text, length, number, &count);
    size_t before = line ? (size_t)(line - text) : length;
    buffer_append(result, text, before);
    begin_line(text, result);
    buffer_append_text(result, lines);
    buffer_append(result, text + before, length - before);
}

static bool is_empty_line(const char *text, size_t length, size_t number)
{
    size_t count;
    const char *line = number ? edit_lines_at(text, length, number, &count) : NULL;
    if (!line)
        return true;
    for (count = bare_length(line, count); count && is_blank(*line); count--)
        line++;
    return count == 0;
}

void edit_lines_make_section(const char *text, size_t length, size_t number, const char *section,
                             const char *name, const char *lines, struct buffer *result)
{
    const char *newline = newline_of(text);
    if (!is_empty_line(text, length, number - 1))
        buffer_append_text(result, newline);
    buffer_format(result, *name ? "[%s \"%s\"]%s" : "[%s%s]%s", section, name, newline);
    buffer_append_text(result, lines);
    if (!is_empty_line(text, length, number))
        buffer_append_text(result, newline);
}

/* ---- keys ---- */

/* What stands before the value and behind it in a line: both belong to the line. */
struct frame {
    const char *before, *behind;
    size_t before_length, behind_length;
};

static void find_frame(const char *line, size_t length, struct frame *frame)
{
    size_t bare = bare_length(line, length), start = 0;
    while (start < bare && line[start] != '=' && line[start] != ':')
        start++;
    start += start < bare;
    while (start < bare && is_blank(line[start]))
        start++;
    size_t comment = start;
    while (comment < bare && !(line[comment] == ';' && is_blank(line[comment - 1])))
        comment++;
    frame->behind_length = bare - comment;
    while (comment > start && is_blank(line[comment - 1]))
        comment--, frame->behind_length++;
    frame->before = line;
    frame->before_length = start;
    frame->behind = line + comment;
}

static void put_comment(const struct frame *frame, bool own_line, struct buffer *result)
{
    if (!frame->behind_length)
        return;
    if (!own_line && !is_blank(*frame->behind))
        buffer_append_byte(result, ' ');
    size_t blanks = 0;
    while (own_line && is_blank(frame->behind[blanks]))
        blanks++;
    buffer_append(result, frame->behind + blanks, frame->behind_length - blanks);
}

/* A list over several lines: as many items as fit, or one item, in each. */
static void put_list(const char *value, bool single, const struct frame *frame, const char *newline,
                     struct buffer *result)
{
    struct texts items = {0};
    size_t column = frame->before_length;
    bool first_line = true;
    texts_split(&items, value);
    for (size_t i = 0; i < items.count; i++) {
        size_t width = strlen(items.items[i]) + 2;
        if (i > 0 && (single || column + width > WIDTH)) {
            buffer_append_byte(result, ',');
            if (first_line)
                put_comment(frame, false, result);
            first_line = false;
            buffer_append_text(result, newline);
            buffer_append_text(result, indent);
            column = strlen(indent);
        } else if (i > 0) {
            buffer_append_text(result, ", ");
        }
        buffer_append_text(result, items.items[i]);
        column += width;
    }
    if (first_line)
        put_comment(frame, false, result);
    texts_free(&items);
}

bool edit_lines_make_key(const char *text, const char *old, size_t old_length, const char *key,
                         const char *value, bool list, int way, struct buffer *result)
{
    const char *newline = newline_of(text);
    struct frame frame = {0};
    struct buffer fresh = {0};
    bool is_second = way == 1, is_third = way == 2;
    if (old)
        find_frame(old, old_length, &frame);
    if ((is_second && !frame.behind_length) || (is_third && !list))
        return false;
    if (is_second || is_third) { /* a comment has a line of its own */
        put_comment(&frame, true, result);
        begin_line(text, result);
        frame.behind_length = 0;
    }
    if (!old) {
        buffer_format(&fresh, "%s = ", key);
        frame.before = buffer_text(&fresh);
        frame.before_length = fresh.length;
    }
    buffer_append(result, frame.before, frame.before_length);
    if (frame.before_length && !is_blank(frame.before[frame.before_length - 1]) &&
        bare_length(old, old_length) == frame.before_length)
        buffer_append_byte(result, ' '); /* "key =" with nothing behind it */
    if (list && (is_third || frame.before_length + strlen(value) > WIDTH)) {
        put_list(value, is_third, &frame, newline, result);
    } else {
        buffer_append_text(result, value);
        put_comment(&frame, false, result);
    }
    buffer_append_text(result, newline);
    buffer_free(&fresh);
    return true;
}

void edit_lines_make_comment(const char *line, size_t length, struct buffer *result)
{
    size_t bare = bare_length(line, length), first = bare;
    if (bare > COMMENT_MOST)
        for (first = COMMENT_MOST; ((unsigned char)line[first] & 0xC0) == 0x80;)
            first--;
    buffer_append_byte(result, ';');
    buffer_append(result, line, first);
    if (first < bare) {
        buffer_append_text(result, line[length - 1] == '\n' && bare + 2 == length ? "\r\n" : "\n");
        buffer_append_text(result, "; ");
        buffer_append(result, line + first, bare - first);
    }
    if (bare < length)
        buffer_append(result, line + bare, length - bare);
    else
        buffer_append_byte(result, '\n');
}

/*
 * The lines of a settings file, for edit.c: where they begin, and what new ones look like. Lines
 * are counted from 1 on. Pure; knows nothing of what is in force.
 */
#ifndef SETUP_EDIT_LINES_H
#define SETUP_EDIT_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

size_t edit_lines_count(const char *text, size_t length);
/* The line, *line_length with its line end; NULL: there is none of this number. */
const char *edit_lines_at(const char *text, size_t length, size_t number, size_t *line_length);

/* ---- examples in comments, such as ";host = smtp.example.net" ---- */

/* The line from first on, and before end, that has the key in a comment; 0: none before the next
 * section in a comment. */
size_t edit_lines_find_key(const char *text, size_t length, size_t first, size_t end,
                           const char *key);
/* The line behind the block of comments in which the section begins, without a name; 0: none. */
size_t edit_lines_find_section(const char *text, size_t length, const char *section);

/* ---- new text, behind the buffer ---- */

/* The text without these lines, with others where the first of them was. */
void edit_lines_replace(const char *text, size_t length, const unsigned *numbers, size_t count,
                        const char *lines, struct buffer *result);
/* The text with others before the line of this number, which may be one behind the last. */
void edit_lines_insert(const char *text, size_t length, size_t number, const char *lines,
                       struct buffer *result);
/* A section with these lines, and empty lines about it where it is to stand. */
void edit_lines_make_section(const char *text, size_t length, size_t number, const char *section,
                             const char *name, const char *lines, struct buffer *result);
/*
 * A key with its value. old: the line that has it now, whose spaces and comment it keeps; NULL:
 * none. way: which of several forms, from 0 to EDIT_WAYS - 1, the best first; false: there is no
 * such form.
 */
enum { EDIT_WAYS = 3 };
bool edit_lines_make_key(const char *text, const char *old, size_t old_length, const char *key,
                         const char *value, bool list, int way, struct buffer *result);
/* The line as a comment; as two, when it would be too long. */
void edit_lines_make_comment(const char *line, size_t length, struct buffer *result);

#endif

/* What is for a person's eyes: text that cannot drive a terminal, columns, and questions. */
#ifndef BASE_TERMINAL_H
#define BASE_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* Whether standard output is a terminal; it decides about bars and cuts alone. */
bool terminal_is_there(void);
/* What a colour means, the same everywhere. */
enum terminal_tone {
    TONE_PLAIN, /* ends any other */
    TONE_TITLE,
    TONE_GOOD,
    TONE_NOTE, /* to be noticed: held, a hint */
    TONE_WARNING,
    TONE_FAULT
};
/*
 * What has to be written to standard output to begin a tone; "" where there are no colours: it is
 * no terminal, TERM names a dumb one or none, or the caller has said NO_COLOR. The first call
 * decides, and has to come before the environment goes.
 */
const char *terminal_tone(enum terminal_tone tone);
/* Whether the locale of the environment has UTF-8. */
bool terminal_is_utf8(void);
/* Its columns; 80 when it does not say. */
size_t terminal_columns(void);
/*
 * Puts the text behind the buffer with all in it that could move a cursor or turn the direction of
 * writing: control characters (C0, DEL, C1), bidirectional overrides and what is no UTF-8 become
 * '?'. tabs: tabs and line ends stay.
 */
void terminal_put(struct buffer *buffer, const char *text, size_t length, bool tabs);
/* The same as a string that the caller frees. */
char *terminal_text(const char *text);
/* How many columns a clean text takes: wide characters have two, combining ones none. */
size_t terminal_width(const char *text);
/* Prints a clean text: filled with spaces, and when cut is set shortened, to so many columns. 0: as
 * it is. */
void terminal_print(const char *text, size_t width, bool cut);
/*
 * Puts a clean text behind the buffer, in lines of so many columns at the most, parted at spaces; a
 * longer word has a line of its own. The first line goes on with what stands there already; each
 * other one begins with so many spaces, which count.
 */
void terminal_fold(struct buffer *buffer, const char *text, size_t columns, size_t indent);
/* Says on a terminal what is waited for, until terminal_go_on takes it away; one at a time. */
void terminal_wait(const char *words);
void terminal_go_on(void);
/* From here on the program ends when nobody reads its standard output any more, as in "| head". */
void terminal_end_with_reader(void);
/* Asks a person, if standard input and standard error are a terminal; true otherwise. */
bool terminal_confirm(const char *question);

#endif

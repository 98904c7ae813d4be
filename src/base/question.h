/*
 * Questions to a person at a terminal, on standard error, answered on standard input; or no
 * questions, where standard input is a pipe that brings the answer. Reads byte by byte, for what
 * stands behind a line is not ours. Knows nothing of what is asked.
 */
#ifndef BASE_QUESTION_H
#define BASE_QUESTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"

/* Whether there is a person to be asked: standard input and standard error are a terminal. */
bool question_may_be_asked(void);
/*
 * One line without its end behind the answer, which is cut by the answer's limit (.failed).
 * EX_NOINPUT at the end of the input. question may be NULL: nothing is shown.
 */
struct outcome question_ask(const char *question, struct buffer *answer);
/*
 * The same for a secret: as many questions as there are answers, up to NULL, without an echo. When
 * standard input is no terminal nothing is shown, and only the first answer is read. A signal ends
 * the program, with the echo as it was. The answers are given room for so many bytes at once, so
 * that no part of a secret is left behind by growing; the caller wipes them.
 */
struct outcome question_ask_hidden(const char *const questions[], struct buffer answers[],
                                   size_t most);

#endif

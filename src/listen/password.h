/* Hearing a password from a person at a terminal, or from a program that pipes it in. */
#ifndef LISTEN_PASSWORD_H
#define LISTEN_PASSWORD_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/outcome.h"

/*
 * Puts the prepared password behind the buffer, which the caller wipes. From a terminal on standard
 * input without echo, with the questions on standard error, twice if it is a new one; else it is
 * the first line there. EX_DATAERR for what is no password: empty, too long, with a control
 * character. A signal ends the program, with the echo as it was.
 */
struct outcome password_read(bool is_new, struct buffer *prepared);

#endif

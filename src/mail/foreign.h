/*
 * Words that a stranger chose (a server's reply, a caller's field) made fit for a log and a
 * terminal.
 */
#ifndef MAIL_FOREIGN_H
#define MAIL_FOREIGN_H

#include <stddef.h>

/*
 * In place: control characters become spaces; what is no UTF-8, and the control characters from
 * U+0080 to U+009F, with which a terminal can be steered like with ESC, become '?'.
 */
void foreign_clean(char *text, size_t length);

#endif

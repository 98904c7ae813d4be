/*
 * The log: one line an event, "ID event key=value ...", to syslog (facility mail), to a file
 * when log_file says so, and to standard error when a program speaks to a person. Values are
 * made one clean line and quoted when they hold spaces: no byte can begin a new line.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/outcome.h"

/* The program's name, such as "postrider-run", is kept, not copied. Opens nothing yet. */
void log_open(const char *program);
/* Lines go to this file as well; made 0640 when it is not there. NULL or "": no file. */
struct outcome log_to_file(const char *path);
void log_close(void);

/*
 * An event of a message: log_event(id, "delivered", "to", address, "reply", text, NULL).
 * Pairs of key and value end with NULL; a pair whose value is NULL is left out.
 */
void log_event(const char *id, const char *event, ...) __attribute__((sentinel));
/* What concerns no single message. */
void log_notice(const char *format, ...) FORMATTED(1, 2);
void log_error(const char *format, ...) FORMATTED(1, 2);

#endif

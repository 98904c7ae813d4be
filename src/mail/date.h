/* Dates in the forms that mail has. Local time zone of the machine. */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/buffer.h"

/* RFC 5322 3.3: "Tue, 3 Nov 2026 09:30:00 +0100", behind the buffer. English whatever the locale.
 */
void date_format(time_t when, struct buffer *text);
/* The mbox form (RFC 4155): "Tue Nov  3 09:30:00 2026", UTC. */
void date_format_mbox(time_t when, struct buffer *text);
/* For people: "2026-11-03 08:30 UTC", into the given space of 32 bytes or more. */
const char *date_brief(time_t when, char *space, size_t size);
/* Finds a date of RFC 5322 3.3 anywhere in a text, with a numeric zone, GMT or UTC. */
bool date_find(const char *text, time_t *when);

#endif

/*
 * What a client's command line says (RFC 5321 4.1, RFC 3030, with mail/parameters.h). Pure: a line
 * goes in, values or words for the reply come out.
 */
#ifndef LISTEN_COMMAND_H
#define LISTEN_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outcome.h"
#include "mail/parameters.h"

/*
 * Octets of a line with its CRLF: 512 (RFC 5321 4.5.3.1.4) and what the extensions add to MAIL and
 * RCPT, rounded up; lines of an AUTH dialogue are another matter (RFC 4954 4).
 */
enum { COMMAND_LONGEST = 2048, COMMAND_NAME_LONGEST = 255 };

/*
 * Cuts the CRLF off a line as it was read and returns true; false with *why in static words when it
 * ends in something else, or has a CR, LF, NUL or other control character within: such a line is
 * never to be looked at further. Sets *length to what is left.
 */
bool command_take_line(char *line, size_t *length, const char **why);
/*
 * Parts a line in place: the verb up to the first space, in the case that it came in; the argument
 * without spaces at its ends, "" when there is none.
 */
void command_part(char *line, char **verb, char **argument);

/*
 * "FROM:<path> parameters". DONE, or NEVER with the enhanced status and the words; what was parsed
 * is freed then.
 */
struct outcome command_parse_mail(const char *argument, unsigned allow, struct mail_command *mail);
void command_free_mail(struct mail_command *mail);
/* "TO:<path> parameters". "<Postmaster>" needs no domain (RFC 5321 4.5.1). Likewise. */
struct outcome command_parse_rcpt(const char *argument, unsigned allow, struct rcpt_command *rcpt);
void command_free_rcpt(struct rcpt_command *rcpt);
/* The reply code for an outcome of these two that is not good: 501, 553 or 555. */
unsigned command_code(const struct outcome *outcome);

/*
 * What HELO, EHLO and LHLO name: one word of up to 255 bytes. Lenient about what real clients call
 * themselves, for nothing follows from it: all that is no letter, digit or one of "-._:[]" becomes
 * '?', so that it can stand in a Received: field and in the log. The caller frees *name.
 */
bool command_parse_domain(const char *argument, char **name);
/*
 * "SIZE [LAST]" of BDAT (RFC 3030 2). A size of up to 20 digits that is too large for a number is
 * the largest one. False: bytes of unknown number follow, so the connection cannot go on.
 */
bool command_parse_bdat(const char *argument, uint64_t *size, bool *last);

#endif

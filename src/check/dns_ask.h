/* Has the questions of a book answered (dns_book.h). What comes from the DNS is a stranger's: this
 * is for a process that is locked in. */
#ifndef CHECK_DNS_ASK_H
#define CHECK_DNS_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "check/dns_book.h"

/*
 * Asks all that has not been asked, side by side, until the deadline (clock_ms); what has no answer
 * by then is NO_ANSWER. False: there was nothing to ask.
 */
bool dns_ask(struct dns_book *book, const struct resolver *resolver, int64_t deadline);
/* Why none of all questions got an answer; NULL: one did, or there was none. */
const char *dns_ask_trouble(const struct dns_book *book);

#endif

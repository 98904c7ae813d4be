/* Domain names and address literals in the one form that everything compares (RFC 5321 4.1.2). */
#ifndef MAIL_DOMAIN_H
#define MAIL_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>

/* Octets (RFC 5321 4.5.3.1.2, RFC 1035 2.3.4). */
enum { DOMAIN_LONGEST = 255, DOMAIN_LABEL_LONGEST = 63 };

/*
 * A domain name as lower-case A-labels (RFC 5890), a last dot dropped; UTF-8 goes through
 * libidn2. The caller frees *domain. False with *why in static words, *domain then NULL.
 */
bool domain_parse(const char *text, size_t length, char **domain, const char **why);
/* "[192.0.2.1]" or "[IPv6:2001:db8::1]", brackets included, in canonical form. Likewise. */
bool domain_parse_literal(const char *text, size_t length, char **domain, const char **why);

#endif

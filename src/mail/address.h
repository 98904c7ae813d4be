/*
 * Addresses by RFC 5321 and 5322: parsed once, into one type, that everything downstream uses.
 * Internationalised domains become A-labels (RFC 5890); local parts may be UTF-8 (RFC 6531).
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* Zeroed, it is the null path "<>" (as address_is_null sees it). Both parts are owned. */
struct address {
    char *local;  /* the bytes that are meant, without quotes; NULL or "" only in the null path */
    char *domain; /* lower-case A-labels, or "[literal]"; NULL while unqualified */
};

/* Where an address stood in a text, so that it can be completed or rewritten in place. */
struct address_place {
    struct address address;
    size_t start, end; /* the addr-spec, without angle brackets, comments and source route */
};

struct addresses {
    struct address_place *items;
    size_t count;
    size_t capacity;
    size_t fault; /* after a syntax error: where the entry begins that has it */
};

/*
 * One address: "user", "user@domain", "<user@domain>", "Name <user@domain>", "<>", with comments,
 * quoted strings and a source route (dropped). False: *why says what is wrong, in static words;
 * the address is then zeroed. The caller frees the address.
 */
bool address_parse(const char *text, struct address *address, const char **why);
/*
 * An address list of a header field or a command line (RFC 5322 3.4, obs-forms too): commas,
 * groups, comments, quoted names. Adds to the list; false with *why at the first syntax error.
 * White space may hold folds, as in a header field; whoever takes text from elsewhere and wants
 * no line end in it looks for that first.
 */
bool addresses_parse(const char *text, struct addresses *list, const char **why);
void addresses_free(struct addresses *list);

/* The caller frees it. */
struct address address_copy(const struct address *address);
void address_free(struct address *address);
bool address_is_null(const struct address *address);
/* Same local part, byte for byte, and same domain. */
bool address_equal(const struct address *a, const struct address *b);
/* Gives an unqualified, not null, address this domain. */
void address_qualify(struct address *address, const char *domain);
/* Whether it can only travel with SMTPUTF8 (RFC 6531). */
bool address_needs_smtputf8(const struct address *address);
/* Puts it behind the buffer, quoted where it must be, without angle brackets; "" for the null path.
 */
void address_format(const struct address *address, struct buffer *text);
/* The same as a string that the caller frees. */
char *address_text(const struct address *address);

#endif

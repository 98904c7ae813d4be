/*
 * What the DNS has said, as text, and what is still to be asked. Who looks for faults reads in it,
 * and says nothing while an answer is missing; the question is put down, and once all of them are
 * answered (dns_ask.h) he looks again, from the beginning. Asks nobody.
 */
#ifndef CHECK_DNS_BOOK_H
#define CHECK_DNS_BOOK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "net/resolver.h"

enum { DNS_BOOK_MOST = 2000 /* names; what goes beyond that has no answer */ };

struct dns_page {
    char *name;
    ns_type type;
    bool answered;
    enum resolved found; /* RESOLVED only with values */
    const char *trouble; /* with NO_ANSWER; static */
    /* Of TXT the strings of each joined; of MX the hosts, the most preferred first, "" for the
     * root; of A and AAAA addresses; of PTR names. */
    struct texts values;
};

/* Zero-initialise it. */
struct dns_book {
    struct dns_page **pages;
    size_t count, capacity;
    size_t asked; /* so many of them, from the first, have been asked */
};

/* The page of a name, in any case, without a last dot; NULL: there is no answer yet. */
const struct dns_page *dns_book_look(struct dns_book *book, const char *name, ns_type type);
void dns_book_free(struct dns_book *book);

#endif

/* The text of an SPF record, as terms (RFC 7208 4.6, 5, 6, 12). Pure. */
#ifndef FILTER_SPF_RECORD_H
#define FILTER_SPF_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "config/network.h"
#include "filter/spf.h"

enum spf_kind {
    SPF_ALL,
    SPF_INCLUDE,
    SPF_A,
    SPF_MX,
    SPF_PTR,
    SPF_IP,
    SPF_EXISTS,
    SPF_REDIRECT,
    SPF_EXP,
    SPF_UNKNOWN /* a modifier that means nothing to us */
};

struct spf_term {
    enum spf_kind kind;
    enum spf_result result; /* of a mechanism that matches */
    char *domain;           /* a domain-spec with its macros; NULL: none; owned */
    unsigned bits4, bits6;  /* of the prefix: A and MX */
    struct network network; /* IP */
};

struct spf_record {
    struct spf_term *terms;
    size_t count;
};

/* Whether a TXT record is one of SPF at all. */
bool spf_record_is(const char *text);
/* False: it breaks the grammar, which is SPF_PERMERROR. The caller frees either way. */
bool spf_record_parse(const char *text, struct spf_record *record);
void spf_record_free(struct spf_record *record);

#endif

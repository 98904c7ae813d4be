/*
 * Senders that go by another address outside: rules "pattern: address", the first that fits counts.
 * A pattern is compared with the whole address; '*' in it stands for anything. What comes out of a
 * rule is not looked up again, and the null reverse-path fits none.
 */
#ifndef MAIL_MASQUERADE_H
#define MAIL_MASQUERADE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "mail/address.h"
#include "mail/header.h"

struct masquerade_rule {
    char *pattern;
    struct address address;
};

/* Zero-initialise it for none. */
struct masquerade {
    struct masquerade_rule *rules;
    size_t count;
};

/* Reads rules that the settings have found good; others are left out. The caller frees. */
void masquerade_read(const struct texts *texts, struct masquerade *masquerade);
void masquerade_free(struct masquerade *masquerade);
/* The address that stands for this one outside; NULL: itself. */
const struct address *masquerade_find(const struct masquerade *masquerade,
                                      const struct address *address);
/*
 * Puts other addresses into a field with a list of addresses (RFC 5322 3.4), where rules say so.
 * Names, comments, folds and all other bytes stay; a field that does not parse stays as it is.
 */
void masquerade_field(const struct masquerade *masquerade, struct header *header, size_t index);

#endif

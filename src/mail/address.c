/*
 * Addresses as values: copy, compare, complete, print. Knows the quoting of local parts (RFC 5321
 * 4.1.2); the parser is in address_list.c, the rules of domains in domain.c.
 */
#include "mail/address.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "mail/domain.h"
#include "mail/scanner.h"

struct address address_copy(const struct address *address)
{
    struct address copy = {0};
    if (address->local)
        copy.local = memory_copy(address->local, strlen(address->local));
    if (address->domain)
        copy.domain = memory_copy(address->domain, strlen(address->domain));
    return copy;
}

void address_free(struct address *address)
{
    free(address->local);
    free(address->domain);
    *address = (struct address){0};
}

bool address_is_null(const struct address *address)
{
    return !address->local || !*address->local;
}

bool address_equal(const struct address *a, const struct address *b)
{
    if (address_is_null(a) || address_is_null(b))
        return address_is_null(a) && address_is_null(b);
    if (strcmp(a->local, b->local) != 0)
        return false;
    if (!a->domain || !b->domain)
        return a->domain == b->domain;
    return text_equal(a->domain, b->domain);
}

void address_qualify(struct address *address, const char *domain)
{
    if (address_is_null(address) || address->domain)
        return;
    const char *why;
    /* A setting that is no domain name goes in as it is: the next hop will say so. */
    if (!domain_parse(domain, strlen(domain), &address->domain, &why))
        address->domain = memory_copy(domain, strlen(domain));
}

bool address_needs_smtputf8(const struct address *address)
{
    return address->local && !text_is_ascii(address->local);
}

static bool is_dot_atom(const char *local)
{
    if (*local == '.')
        return false;
    for (; *local; local++) {
        if (*local == '.' && (local[1] == '.' || !local[1]))
            return false;
        if (*local != '.' && !scan_is_atext(*local))
            return false;
    }
    return true;
}

void address_format(const struct address *address, struct buffer *text)
{
    if (address_is_null(address))
        return;
    if (is_dot_atom(address->local)) {
        buffer_append_text(text, address->local);
    } else {
        buffer_append_byte(text, '"');
        for (const char *c = address->local; *c; c++) {
            if (*c == '"' || *c == '\\')
                buffer_append_byte(text, '\\');
            buffer_append_byte(text, *c);
        }
        buffer_append_byte(text, '"');
    }
    if (address->domain) {
        buffer_append_byte(text, '@');
        buffer_append_text(text, address->domain);
    }
}

char *address_text(const struct address *address)
{
    struct buffer text = {0};
    address_format(address, &text);
    return buffer_take(&text);
}

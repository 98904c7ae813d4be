/*
 * The path in angle brackets that MAIL and RCPT name (RFC 5321 4.1.2): stricter than an address of
 * a header, for what stands here decides where a message goes.
 */
#ifndef LISTEN_PATH_H
#define LISTEN_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "mail/address.h"

/* Octets, the angle brackets among them (RFC 5321 4.5.3.1.3). */
enum { PATH_LONGEST = 256 };

struct path {
    struct address address; /* null: "<>"; without a domain: a bare name */
    size_t length;          /* of the text up to and with the '>' */
    bool utf8;              /* has bytes over 127, be it in the domain alone */
};

/*
 * The path at the beginning of the text, which may go on behind it. A source route is looked at
 * and dropped (RFC 5321 appendix C): what counts is the address behind it. No comments, no white
 * space outside of quotes, no control characters. '%' and '!' are bytes of a local part like
 * others. False: *why in static words, the path zeroed. The caller frees the address.
 */
bool path_parse(const char *text, struct path *path, const char **why);

#endif

/* The name of a client by the DNS: what its address is called, and whether that name has the
 * address (RFC 1912 2.1). */
#ifndef FILTER_CLIENT_NAME_H
#define FILTER_CLIENT_NAME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "net/resolver.h"

/* Zero-initialise it. */
struct client_name {
    char *name;     /* NULL: none was found; owned */
    bool confirmed; /* it has the address */
};

/* Asks for so many milliseconds at the most. A client of this machine, or without an address, is
 * "localhost" unasked. The caller frees name->name. */
void client_name_find(const struct sockaddr *address, const struct resolver *resolver,
                      uint64_t limit_ms, struct client_name *name);

#endif

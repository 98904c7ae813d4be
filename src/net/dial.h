/*
 * From the name of a next hop to a connected descriptor: "host:port" taken apart, the name
 * resolved to IPv6 and IPv4 addresses, one address tried within a time limit. Order by RFC 6724.
 * Which addresses are this machine's own.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "base/outcome.h"

/* "host", "host:port", "[v6]:port", "[v6]", "v6"; host is owned by the caller then. False: it is
 * none of these. */
bool dial_parse(const char *text, unsigned default_port, char **host, unsigned *port);
/*
 * All addresses, for freeaddrinfo; LATER 4.4.3 for whatever reason there is none. absolute: the
 * name came out of the DNS, so that no search list may complete it.
 */
struct outcome dial_resolve(const char *host, unsigned port, bool absolute,
                            struct addrinfo **addresses);
/* A non-blocking, close-on-exec descriptor that the caller closes; LATER 4.4.1. host is for the
 * words. */
struct outcome dial_connect(const struct addrinfo *address, const char *host, int limit_ms,
                            int *fd);
/* The same for a Unix socket at this path. */
struct outcome dial_connect_local(const char *path, int limit_ms, int *fd);
/* Behind the buffer: "192.0.2.1:25", "[2001:db8::1]:25". */
void dial_format(const struct sockaddr *address, struct buffer *text);
/* 127/8, ::1, or 127/8 mapped into IPv6. */
bool dial_is_loopback(const struct sockaddr *address);
/* One of this machine's own addresses: on loopback, or on an interface. */
bool dial_is_own(const struct sockaddr *address);
/* Whether both ends of a connection are on this machine. */
bool dial_leads_here(int fd);

#endif

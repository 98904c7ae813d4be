/*
 * The name servers of this machine, as /etc/resolv.conf has them; no C library is asked, and no
 * environment.
 */
#ifndef NET_SERVERS_H
#define NET_SERVERS_H

#include <netinet/in.h>
#include <stddef.h>

enum { MOST_SERVERS = 3 /* as libraries have it; further ones do not count */ };

union server {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* How many there are, at least one: where nobody is named, or there is no such file, this machine
 * itself is asked (resolv.conf(5)). */
size_t servers_find(union server servers[MOST_SERVERS]);
/* Those of a file with this content. */
size_t servers_parse(const char *text, union server servers[MOST_SERVERS]);
/* Of the address. */
socklen_t server_size(const union server *server);

#endif

/* "host", "host:port", "[v6]", "[v6]:port": an item of a list of hosts, as text. Asks nobody. */
#ifndef CONFIG_HOST_H
#define CONFIG_HOST_H

#include <stdbool.h>

struct host {
    char *name;    /* a domain name in A-labels, or an address without brackets; owned */
    unsigned port; /* 0: none given */
};

/* False: *why says what is wrong, in static words. The caller frees host->name. */
bool host_parse(const char *text, struct host *host, const char **why);
/* Whether it can only be this very machine: 127/8, ::1, localhost. */
bool host_is_loopback(const char *name);

#endif

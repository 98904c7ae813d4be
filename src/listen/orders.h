/*
 * What a session asks of its parent: that the mail for one of relay_domains be tried now. A session
 * is not trusted: an order is a number of a fixed size, and what is none is not heard.
 */
#ifndef LISTEN_ORDERS_H
#define LISTEN_ORDERS_H

#include <stdbool.h>
#include <stddef.h>

/* Which of relay_domains of which listener, by the settings that the session began with. */
struct order_place {
    unsigned generation; /* of the settings */
    unsigned listener, domain;
};

/* A way from sessions, who write to ends[1], to their parent, who reads ends[0] and never waits.
 * False with errno. */
bool orders_open(int ends[2]);
/* False: the parent has not heard the last ones yet, or is gone. */
bool orders_write(int fd, const struct order_place *place);
/*
 * The next one, which names no listener that there is if it was no order. ORDERS_SPOILT: an
 * intruder in a session has shut the way, for all that share it: it takes a new one.
 */
enum orders { ORDERS_NONE, ORDERS_ONE, ORDERS_SPOILT };
enum orders orders_read(int fd, struct order_place *place);

#endif

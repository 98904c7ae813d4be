/*
 * What a session asks of its parent: that the mail for one of relay_domains be tried now. A session
 * is not trusted: an order is a number of a fixed size, written in one piece.
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

/* False: the pipe is full or gone. */
bool orders_write(int fd, const struct order_place *place);
/* The next one from a non-blocking pipe; false: there is none. */
bool orders_read(int fd, struct order_place *place);

#endif

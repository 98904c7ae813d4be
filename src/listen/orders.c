/* See orders.h. Each order is a packet: half of one, by whoever, spoils no other. */
#include "listen/orders.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

bool orders_open(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0 &&
           shutdown(ends[0], SHUT_WR) == 0;
}

bool orders_write(int fd, const struct order_place *place)
{
    ssize_t count;
    do
        count = send(fd, place, sizeof *place, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    return count == (ssize_t)sizeof *place;
}

enum orders orders_read(int fd, struct order_place *place)
{
    ssize_t count;
    do
        count = recv(fd, place, sizeof *place, MSG_TRUNC | MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    if (count != (ssize_t)sizeof *place)
        place->listener = UINT_MAX;
    /* We have one end of the writers, too: only shutdown(2) makes it look like the last one's. */
    return count > 0 ? ORDERS_ONE : count == 0 ? ORDERS_SPOILT : ORDERS_NONE;
}

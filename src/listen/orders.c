/* See orders.h. Less than PIPE_BUF bytes are written as one, or not at all. */
#include "listen/orders.h"

#include <errno.h>
#include <unistd.h>

bool orders_write(int fd, const struct order_place *place)
{
    ssize_t count;
    do
        count = write(fd, place, sizeof *place);
    while (count < 0 && errno == EINTR);
    return count == (ssize_t)sizeof *place;
}

bool orders_read(int fd, struct order_place *place)
{
    ssize_t count;
    do
        count = read(fd, place, sizeof *place);
    while (count < 0 && errno == EINTR);
    return count == (ssize_t)sizeof *place;
}

/* See held.h. The file lies where the queue's own files lie: room on the disk is that of the queue.
 */
#include "filter/held.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void held_open(struct held *held)
{
    int fd = openat(held->queue->spool, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    held->body = (struct output){.fd = fd, .error = fd < 0 ? errno : 0};
}

bool held_clear(struct held *held)
{
    int fd = held->body.fd;
    output_free(&held->body);
    held->body = (struct output){.fd = fd};
    if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        held->body.error = errno;
    return !held->body.error;
}

struct outcome held_flush(struct held *held)
{
    if (!held->body.error && output_flush(&held->body))
        return outcome_done();
    return outcome_errno(held->body.error, "cannot hold the message while it is looked at");
}

void held_close(struct held *held)
{
    file_close(&held->body.fd);
    output_free(&held->body);
}

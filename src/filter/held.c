/* See held.h. */
#include "filter/held.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { FILES = 2 };

/* One with a name that is gone at once, where there are no others. */
static int make_file(int folder)
{
    int fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || !file_lacks_unnamed(errno))
        return fd;
    char name[QUEUE_ID_SIZE + 1] = ".";
    queue_new_id(name + 1);
    fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && unlinkat(folder, name, 0) < 0)
        file_close(&fd);
    return fd;
}

void held_room_open(struct held_room *room, const struct queue *queue)
{
    *room = (struct held_room){0};
    for (size_t i = 0; i < FILES; i++) {
        room->files[i] = make_file(queue->spool);
        if (room->files[i] < 0)
            room->error = errno;
    }
}

void held_room_close(struct held_room *room)
{
    for (size_t i = 0; i < FILES; i++)
        file_close(&room->files[i]);
}

void held_open(struct held *held)
{
    struct held_room *room = held->room;
    held->body = (struct output){.fd = -1, .error = room->error};
    for (size_t i = 0; i < FILES && held->body.fd < 0 && !room->error; i++)
        if (!room->is_taken[i]) {
            room->is_taken[i] = true;
            held->body.fd = room->files[i];
        }
    if (held->body.fd < 0 && !room->error)
        held->body.error = EMFILE;
    if (held->body.fd >= 0 &&
        (ftruncate(held->body.fd, 0) < 0 || lseek(held->body.fd, 0, SEEK_SET) < 0))
        held->body.error = errno;
}

struct outcome held_flush(struct held *held)
{
    if (!held->body.error && output_flush(&held->body))
        return outcome_done();
    return outcome_errno(held->body.error, "cannot hold the message while it is looked at");
}

void held_close(struct held *held)
{
    struct held_room *room = held->room;
    for (size_t i = 0; i < FILES && held->body.fd >= 0; i++)
        if (room->files[i] == held->body.fd) {
            /* It is made empty once more before it is used again. */
            (void)!ftruncate(held->body.fd, 0);
            room->is_taken[i] = false;
        }
    output_free(&held->body);
    held->body = (struct output){.fd = -1};
}

/*
 * A message that is looked at before it goes into the queue: its header in memory, its body in a
 * file without a name, its envelope. Filters change it in place.
 */
#ifndef FILTER_HELD_H
#define FILTER_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/outcome.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "queue/queue.h"

/*
 * Files without names for bodies, a second one for what takes the first one's place. A session
 * makes them before it is locked in, where it could not read what it writes, and uses them again
 * and again.
 */
struct held_room {
    int files[2]; /* -1: there is none */
    bool is_taken[2];
    int error; /* why there is none */
};

/* Where the queue's own files lie: room on the disk is that of the queue. */
void held_room_open(struct held_room *room, const struct queue *queue);
void held_room_close(struct held_room *room);

struct held {
    struct held_room *room;
    const char *id; /* that the message will have */
    struct envelope *envelope;
    struct header *header;
    struct output body; /* lines that end in LF; .total bytes are the size, .fd can be read */
};

/* Takes a file for the body, which is empty then. What goes wrong is in .body.error. */
void held_open(struct held *held);
/* All of the body that was put is in the file. LATER: it is not. */
struct outcome held_flush(struct held *held);
/* Forgets the body, and gives its room on the disk back; the rest is the caller's. May be called
 * twice. */
void held_close(struct held *held);

#endif

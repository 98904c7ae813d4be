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

struct held {
    const struct queue *queue;
    const char *id; /* that the message will have */
    struct envelope *envelope;
    struct header *header;
    struct output body; /* lines that end in LF; .total bytes are the size, .fd can be read */
};

/* Makes the file for the body. What goes wrong is in .body.error. */
void held_open(struct held *held);
/* Empties the body, for another one. False with .body.error set. */
bool held_clear(struct held *held);
/* All of the body that was put is in the file. LATER: it is not. */
struct outcome held_flush(struct held *held);
/* Forgets the body; the rest is the caller's. May be called twice. */
void held_close(struct held *held);

#endif

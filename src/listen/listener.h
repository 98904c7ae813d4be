/*
 * The parent of all sessions: accepts connections, reads no byte of a peer. Counts who is
 * connected, starts queue runs, reloads on SIGHUP, and on SIGTERM lets the sessions come to their
 * ends.
 */
#ifndef LISTEN_LISTENER_H
#define LISTEN_LISTENER_H

#include "base/outcome.h"
#include "listen/bind.h"
#include "listen/service.h"
#include "queue/queue.h"

struct listener_start {
    struct service *service; /* taken over, like the doors; both are freed */
    struct doors *doors;
    const struct queue *queue;
    uint64_t interval; /* seconds from one queue run to the next; 0: only what comes in is sent */
    int *lock;         /* the lock of the one listener: closed as soon as it stops listening */
    int *ready;        /* for background_ready */
};

/* Keeps the signals that it is steered by for listener_run; to be called before anybody knows our
 * process id. */
void listener_block_signals(void);
/* Runs until it is told to stop. */
struct outcome listener_run(const struct listener_start *start);

#endif

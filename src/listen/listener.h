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

/*
 * Runs until it is told to stop. Takes service and doors over, which are freed either way. Signals
 * SIGCHLD, SIGHUP, SIGTERM and SIGINT must be blocked already. interval: seconds from one queue run
 * to the next; 0: only what comes in is delivered. lock: the caller's, which sessions are not to
 * hold any longer than their parent.
 */
struct outcome listener_run(struct service *service, struct doors *doors, struct queue *queue,
                            int lock, uint64_t interval);

#endif

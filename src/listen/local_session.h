/* SMTP on standard input and output for a local user, as "sendmail -bs" has it. */
#ifndef LISTEN_LOCAL_SESSION_H
#define LISTEN_LOCAL_SESSION_H

#include <sys/types.h>

#include "base/outcome.h"
#include "listen/service.h"
#include "queue/queue.h"

/*
 * Runs one session for this user, in a process that is locked in like any other; we carry its
 * bytes, and see that what it takes is sent. If the first line ends in a bare LF, so may all
 * others: people and shells print such lines. EX_DATAERR: the input ended within a transaction, or
 * was no SMTP. EX_TEMPFAIL: no mail could be taken.
 */
struct outcome local_session_serve(const struct service *service, const struct queue *queue,
                                   uid_t uid);

#endif

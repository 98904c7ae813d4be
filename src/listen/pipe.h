/* SMTP on standard input and output for a local user, as "sendmail -bs" has it. */
#ifndef LISTEN_PIPE_H
#define LISTEN_PIPE_H

#include <sys/types.h>

#include "base/outcome.h"
#include "listen/service.h"

/*
 * Runs one session for this user, in a process that is locked in like any other; we carry its
 * bytes. Lines that end in a bare LF are given their CR on the way in: users type, and programs
 * print.
 */
struct outcome pipe_serve(const struct service *service, uid_t uid);

#endif

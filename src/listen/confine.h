/* What a session may touch on this machine, from before its first byte on. */
#ifndef LISTEN_CONFINE_H
#define LISTEN_CONFINE_H

#include "base/outcome.h"
#include "config/settings.h"

/*
 * Whether this process may be the parent of sessions. Root with settings of his own may, and the
 * log is told: his sessions have his name, if none of his rights, so it takes Landlock to keep them
 * from his files. EX_NOPERM without it.
 */
struct outcome confine_check(void);
/* By the parent of sessions: makes ready what they share (see base/sandbox.h). */
struct outcome confine_prepare(const struct settings *settings);
/* Locks this process in: it can look addresses and users up, add files to the queue, and talk to
 * its client and to syslog; where [filter] wants it, also to the DNS and to milters, and use what
 * filters remember. For good. */
struct outcome confine_session(const struct settings *settings);

#endif

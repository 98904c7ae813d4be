/*
 * The keeper of a password that a command prints. The worker that needs it is locked in by then
 * (confine.h) and can run nothing: it asks a process that was forked before, which hears no peer.
 */
#ifndef RUN_KEEPER_H
#define RUN_KEEPER_H

#include "base/buffer.h"
#include "base/outcome.h"
#include "config/settings.h"

struct keeper {
    int fd; /* -1: there is none */
};

/* path: of credentials.conf. The keeper ends when the worker does. */
struct outcome keeper_start(struct keeper *keeper, const struct smarthost *peer, const char *path);
/* As credentials_find, which the keeper calls. */
struct outcome keeper_ask(const struct keeper *keeper, struct buffer *secret);

#endif

/*
 * The sockets that a listener hears on: bound here, or handed over by who started us (systemd's
 * socket activation, sd_listen_fds(3)).
 */
#ifndef LISTEN_BIND_H
#define LISTEN_BIND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outcome.h"
#include "config/settings.h"

struct door {
    int fd;          /* non-blocking, listening */
    size_t listener; /* its place in settings.listeners */
    bool inherited;  /* it was handed over */
    size_t before;   /* its place among the doors that it was taken over from, plus one; 0: new */
    char *name;      /* "host:port", or what it was handed over as; owned */
};

struct doors {
    struct door *items;
    size_t count;
};

/*
 * Takes what was handed over (process_handed_over), if anything was: then nothing is bound. A
 * socket named "smtp" belongs to [listen "smtp"]; another name to the section of its port, or the
 * first one.
 */
struct outcome bind_inherited(const struct settings *settings, struct doors *doors);
/*
 * Binds the addresses of all listeners; those that were handed over stay instead, if there are any.
 * What the old doors (NULL: none) have open already is taken over from there, and their .fd is -1
 * then. EX_OSERR, EX_NOPERM: which address, and what to do. The caller closes the doors either way.
 */
struct outcome bind_all(const struct settings *settings, struct doors *old, struct doors *doors);
/* Tells the log of sections whose addresses mean nothing: sockets were handed over, none for them.
 */
void doors_tell_of_unheard(const struct doors *doors, const struct settings *settings);
/* Undoes the taking over. */
void doors_give_back(struct doors *doors, struct doors *old);
void doors_close(struct doors *doors);

#endif

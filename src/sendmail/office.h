/*
 * Which settings and which queue a call works with, and with whose rights: the installed ones,
 * through the group that the program's set-group-ID bit gives, or a user's own, with that group
 * given up for good. All of the front door's decisions about privilege are in office.c.
 */
#ifndef SENDMAIL_OFFICE_H
#define SENDMAIL_OFFICE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/outcome.h"
#include "config/settings.h"
#include "queue/queue.h"

struct office {
    struct settings settings;
    struct queue queue;
    char *config; /* the settings file in use, unless it is the installed one; owned, or NULL */
    bool queue_open;
};

/*
 * Chooses the settings file (config: what -C said, or NULL), gives privileges up as that asks, and
 * reads it. EX_CONFIG, EX_NOPERM. The caller closes the office either way.
 */
struct outcome office_open(const char *config, struct office *office);
/* Opens the queue that the settings name; a user's own is made when it is missing. */
struct outcome office_open_queue(struct office *office);
void office_close(struct office *office);

/* Where a user's own settings are, or would be; NULL when nobody knows his home. The caller frees.
 */
char *office_own_path(void);
/* Whether the path leads to the installed settings. */
bool office_is_installed(const char *path);

/* Whether the caller may see and drive everybody's mail in the queue: root, the queue's own user,
 * anybody with a queue of his own. The queue need not be open. */
bool office_is_master(const struct office *office);

#endif

/* The alias files, as the user who runs the queue reads them, and where they lead. */
#ifndef CHECK_ALIASES_H
#define CHECK_ALIASES_H

#include <stdbool.h>

#include "check/finding.h"
#include "config/settings.h"

/* own: the settings are a user's own, who has the only mailbox. partial: this process is not the
 * user who runs the queue, and what it may not read is no fault. */
void check_aliases(const struct settings *settings, bool own, bool partial,
                   struct findings *findings);

#endif

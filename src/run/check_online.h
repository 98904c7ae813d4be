/* postrider-run check --online: what only a look at the network tells. */
#ifndef RUN_CHECK_ONLINE_H
#define RUN_CHECK_ONLINE_H

#include <stdbool.h>

#include "check/finding.h"
#include "config/settings.h"

/* Adds what is found; smarthosts_only: nothing but what is about smarthosts. */
void check_online(const struct settings *settings, bool smarthosts_only, struct findings *findings);

#endif

/* What this machine calls itself, and what others make of that. Asks nobody. */
#ifndef CHECK_NAMES_H
#define CHECK_NAMES_H

#include "check/finding.h"
#include "config/settings.h"

void check_names(const struct settings *settings, struct findings *findings);

#endif

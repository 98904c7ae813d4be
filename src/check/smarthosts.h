/* Where mail for other machines goes, by the settings alone. */
#ifndef CHECK_SMARTHOSTS_H
#define CHECK_SMARTHOSTS_H

#include <stddef.h>

#include "check/finding.h"
#include "config/settings.h"

/* stranded: how many messages wait because there is no smarthost for them. */
void check_smarthosts(const struct settings *settings, size_t stranded, struct findings *findings);

#endif

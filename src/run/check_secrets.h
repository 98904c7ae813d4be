/* Part of postrider-run check: passwords, certificates and keys in files, for the user who has to
 * read them. */
#ifndef RUN_CHECK_SECRETS_H
#define RUN_CHECK_SECRETS_H

#include <stdbool.h>

#include "check/finding.h"
#include "config/settings.h"

/* What smarthosts need. No password_command is run, which may ask a person or the network.
 * own: the settings are a user's, not the installed ones. */
void check_credentials(const struct settings *settings, bool own, struct findings *findings);
/* What signs mail. */
void check_dkim(const struct settings *settings, struct findings *findings);

#endif

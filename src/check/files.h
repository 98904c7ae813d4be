/* Files that are no program's and not the queue's: the settings, mailboxes, the log. */
#ifndef CHECK_FILES_H
#define CHECK_FILES_H

#include "check/finding.h"
#include "check/rights.h"
#include "config/settings.h"

/* In all of these: account is NULL for a user's own settings. */

/* The settings file, which has been read. */
void check_settings_file(const struct settings *settings, const struct account *account,
                         struct findings *findings);
void check_mailboxes(const struct settings *settings, const struct account *account,
                     struct findings *findings);
/* log_file, and whether anything else keeps the log. */
void check_log(const struct settings *settings, const struct account *account,
               struct findings *findings);

#endif

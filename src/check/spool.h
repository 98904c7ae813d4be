/* The queue's folders: whose they are, and what room there is. No message is opened. */
#ifndef CHECK_SPOOL_H
#define CHECK_SPOOL_H

#include "check/finding.h"
#include "check/rights.h"
#include "config/settings.h"

/* Of the installed queue. */
void check_spool(const struct settings *settings, const struct account *account,
                 struct findings *findings);
/* Of a user's own queue. */
void check_own_spool(const struct settings *settings, struct findings *findings);

#endif

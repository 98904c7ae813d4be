/* newaliases, sendmail -bi. */
#ifndef SENDMAIL_NEWALIASES_H
#define SENDMAIL_NEWALIASES_H

#include "sendmail/office.h"

/* Hands over to postrider-run, and comes back with a failure alone. */
struct outcome newaliases_start(const struct office *office);

#endif

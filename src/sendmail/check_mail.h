/* Part of postrider check: what the queue itself tells. */
#ifndef SENDMAIL_CHECK_MAIL_H
#define SENDMAIL_CHECK_MAIL_H

#include <stddef.h>

#include "check/clock.h"
#include "check/finding.h"
#include "sendmail/office.h"

/*
 * Mail that waits for too long, is held or damaged, and next hops that failed; other people's for
 * the queue's master alone. *stranded: how many messages wait because there is no smarthost for
 * them. The queue is open.
 */
void check_mail(struct office *office, size_t *stranded, struct newest *newest,
                struct findings *findings);

#endif

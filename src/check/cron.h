/* Whether cron runs the queue of the installation, whichever cron there is. */
#ifndef CHECK_CRON_H
#define CHECK_CRON_H

#include <stdbool.h>

#include "base/buffer.h"
#include "check/finding.h"

/* What a cron reads; of several that are here, all that they do. */
enum cron_reads {
    CRON_READS_SYSTEM = 1, /* /etc/crontab and /etc/cron.d */
    CRON_READS_ROOT = 2,   /* what root has told crontab(1) */
    CRON_READS_FCRON = 4,  /* what root has told fcrontab(1) */
};

/* 0: there is no cron. Whether it is running is for others to say. */
unsigned cron_reads(void);
/*
 * Whether a table that is read has a line that runs the queue; a finding says so. table: the path
 * of that one, or else of one that nobody here reads, if any. systemd: it is running, and leaves
 * the line of our package nothing to do.
 */
bool cron_find(unsigned reads, bool systemd, struct buffer *table, struct findings *findings);
/* Gives the newest finding a remedy: the line that is missing, put where it is read. False, and
 * nothing: there is no cron. */
bool cron_remedy(unsigned reads, struct findings *findings);

#endif

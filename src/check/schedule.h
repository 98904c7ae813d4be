/* Who runs the queue when no new message wakes a runner. */
#ifndef CHECK_SCHEDULE_H
#define CHECK_SCHEDULE_H

#include "check/finding.h"
#include "config/settings.h"
#include "queue/queue.h"

/* Of the installed queue: cron, systemd, a listener. The queue: open, or NULL. */
void check_schedule(const struct queue *queue, struct findings *findings);
/* Of a user's own: whose crontab cannot be read. */
void check_own_schedule(const struct settings *settings, const struct queue *queue,
                        struct findings *findings);

/* Whether the listener that the settings speak of is at work. own: they are a user's. */
void check_listener(const struct settings *settings, bool own, const struct queue *queue,
                    struct findings *findings);

#endif

/* See clock.h. No time server is asked: a clock that is wrong betrays itself by files. */
#include "check/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "mail/date.h"

static const char topic[] = "clock";

enum { TOLERANCE = 5 * 60 };
static const time_t written = 1735689600; /* 2025-01-01: this was not written before */

void newest_take(struct newest *newest, int folder, const char *path, const char *name)
{
    struct stat status;
    if (fstatat(folder, path, &status, 0) < 0 || (newest->path && status.st_mtime <= newest->when))
        return;
    free(newest->path);
    *newest = (struct newest){memory_copy(name, strlen(name)), status.st_mtime};
}

void newest_free(struct newest *newest)
{
    free(newest->path);
    *newest = (struct newest){0};
}

void check_clock(time_t now, const struct newest *newest, struct findings *findings)
{
    char space[32], other[32];
    const char *today = date_brief(now, space, sizeof space);
    if (now < written) {
        finding_add(findings, FINDING_FAULT, topic,
                    "the clock says %s, before Postrider was written: no certificate is valid then",
                    today);
    } else if (newest->path && newest->when > now + TOLERANCE) {
        finding_add(findings, FINDING_WARNING, topic,
                    "the clock says %s, and %s was changed later, at %s: one of the two is wrong",
                    today, newest->path, date_brief(newest->when, other, sizeof other));
    } else {
        finding_add(findings, FINDING_GOOD, topic, "the clock says %s", today);
        return;
    }
    finding_remedy(findings, "timedatectl set-ntp true");
}

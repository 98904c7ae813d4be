/* See clock.h. No time server is asked: a clock that is wrong betrays itself by files. */
#include "check/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

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

static void date_text(time_t when, char *text, size_t size)
{
    struct tm parts;
    if (!gmtime_r(&when, &parts) || !strftime(text, size, "%Y-%m-%d %H:%M UTC", &parts))
        memcpy(text, "?", 2);
}

void check_clock(time_t now, const struct newest *newest, struct findings *findings)
{
    char today[64], then[64];
    date_text(now, today, sizeof today);
    if (now < written) {
        finding_add(findings, FINDING_FAULT, topic,
                    "the clock says %s, before Postrider was written: no certificate is valid then",
                    today);
    } else if (newest->path && newest->when > now + TOLERANCE) {
        date_text(newest->when, then, sizeof then);
        finding_add(findings, FINDING_WARNING, topic,
                    "the clock says %s, and %s was changed later, at %s: one of the two is wrong",
                    today, newest->path, then);
    } else {
        finding_add(findings, FINDING_GOOD, topic, "the clock says %s", today);
        return;
    }
    finding_remedy(findings, "timedatectl set-ntp true");
}

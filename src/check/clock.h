/* Whether the clock can be right. */
#ifndef CHECK_CLOCK_H
#define CHECK_CLOCK_H

#include <time.h>

#include "check/finding.h"

/* The newest file that we know of, and its time. Zero-initialise it. */
struct newest {
    char *path; /* owned; NULL: none yet */
    time_t when;
};

/* Takes the file, relative to this folder (AT_FDCWD: none), if it is newer; name is for words. */
void newest_take(struct newest *newest, int folder, const char *path, const char *name);
void newest_free(struct newest *newest);

void check_clock(time_t now, const struct newest *newest, struct findings *findings);

#endif

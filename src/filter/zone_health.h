/*
 * How lists in the DNS are, as sessions tell each other: which one does not answer and is left
 * alone for a while, and which one is no list at all by its test entries (RFC 5782 5). Logs what
 * changes, once for all sessions.
 */
#ifndef FILTER_ZONE_HEALTH_H
#define FILTER_ZONE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "filter/memo.h"

enum soundness { UNTESTED, SOUND, UNSOUND };

/* Of one list, for IPv4 or for IPv6; kept as it is. */
struct zone_health {
    int64_t tested;      /* seconds since 1970 */
    int64_t rests_until; /* likewise; 0: it answers */
    uint32_t rest;       /* seconds of the present rest */
    uint32_t soundness;  /* enum soundness */
};

/* What came of asking. */
struct zone_report {
    const char *trouble; /* why it did not answer; NULL: it did */
    bool was_tested;
    const char *fault; /* what its test entries say against it; NULL: nothing */
};

/* What is known of a list. */
void zone_health_find(const struct memo *memo, const char *name, bool is_v6, time_t now,
                      struct zone_health *health);
/* Whether its test entries are to be looked at. */
bool zone_health_wants_test(const struct zone_health *health, time_t now);
/* Whether it may be asked now: not while it rests, and after that by one session alone, which has
 * to report. */
bool zone_health_claim(const struct memo *memo, const char *name, bool is_v6, time_t now,
                       struct zone_health *health);
/* Keeps what is known now; *health is that as well. */
void zone_health_report(const struct memo *memo, const char *name, bool is_v6, time_t now,
                        const struct zone_report *report, struct zone_health *health);

#endif

/*
 * Things that are looked at side by side, each by a process of its own that tells what it finds by
 * a pipe. Whoever hears a peer there locks itself in first (confine.h); this process hears none.
 */
#ifndef RUN_CHECK_PARTS_H
#define RUN_CHECK_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "check/finding.h"

struct part {
    /* Called in its own process, which ends then. */
    void (*look)(const void *question, struct findings *findings);
    const void *question;  /* the caller's */
    const char *topic;     /* of a finding about the part itself; static */
    char *name;            /* what it looks at, for that finding; owned by the caller */
    struct findings found; /* filled in; the caller frees */
};

/* deadline: clock_ms; what is not there by then is ended, and that is what is found of it. */
void parts_look(struct part *parts, size_t count, int64_t deadline);

#endif

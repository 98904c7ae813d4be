/*
 * What stands in the lock file of the greylist: what it has done, for people, and where its upkeep
 * has come to. Text; the database itself is not known here.
 */
#ifndef FILTER_GREYLIST_STATE_H
#define FILTER_GREYLIST_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

enum { GREYLIST_KEY_LONGEST = 700 };

/* What it has done since it was made. */
struct greylist_counts {
    uint64_t delayed; /* tries that were too early, the first ones among them */
    uint64_t passed;  /* triplets that came again in time */
    uint64_t known;   /* tries of what was known by then */
    uint64_t entries; /* triplets and clients that are remembered, about */
};

struct greylist_state {
    char changing; /* 'C' while a change is on its way, else ' ' */
    struct greylist_counts counts;
    int64_t copied;                   /* seconds since 1970 */
    char swept[GREYLIST_KEY_LONGEST]; /* the entry up to which the last sweep came */
};

/* The lock file in the folder of the memory, behind the buffer. */
void greylist_state_path(const char *folder, struct buffer *path);
/* What an open lock file says; an empty one is that of a new memory, one that makes no sense counts
 * as a change cut off. */
void greylist_read_state(int fd, struct greylist_state *state);
/* Writes it with another .changing; false with errno. */
bool greylist_write_state(int fd, const struct greylist_state *state, char changing);

/* What the greylist in that folder has done; false: there is none. */
bool greylist_read_counts(const char *folder, struct greylist_counts *counts);

#endif

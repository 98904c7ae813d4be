/* The queue, counted: by the domain of the recipients that wait, and by age. Pure. */
#ifndef SENDMAIL_CENSUS_H
#define SENDMAIL_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "queue/letter.h"
#include "queue/list.h"

enum { CENSUS_AGES = 10 };

/* The upper ends of the ages, in minutes: "5", "10", ... "1280", and "1280+" for all above. */
extern const char *const census_ages[CENSUS_AGES];

struct census_row {
    char *domain;
    size_t messages; /* that wait for at least one recipient there */
    size_t ages[CENSUS_AGES];
    time_t oldest; /* arrival of the oldest one */
    size_t last;   /* number of the message counted last */
};

struct census {
    const char *hostname; /* the domain of addresses without one, and of mailboxes */
    time_t now;
    struct census_row total;
    char oldest_id[QUEUE_ID_SIZE];
    size_t held, due, unreadable;
    time_t next; /* the earliest time at which one that is not due is; 0: none */
    struct census_row *rows;
    size_t count, capacity;
    size_t *slots; /* a hash table of row numbers + 1, twice as long as there are rows, or more */
    size_t slot_count;
};

/* Counts a message; letter NULL: it cannot be read. */
void census_add(struct census *census, const struct letter *letter, time_t due);
/* The most messages first; nothing can be added after this. */
void census_sort(struct census *census);
void census_free(struct census *census);

#endif

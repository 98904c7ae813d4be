/* A set of names that are found in constant time, each with the number of its place. */
#ifndef ROUTE_NAMES_H
#define ROUTE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise it. */
struct names {
    char **items; /* in the order they came; owned */
    size_t count;
    size_t capacity;
    size_t *slots; /* a hash table of places + 1; 0: empty */
    size_t slot_count;
    uint64_t seed; /* so that nobody can choose names that collide */
};

/* The place of a name, which is added when it is new; *added says so, unless it is NULL. */
size_t names_add(struct names *names, const char *name, bool *added);
/* False: it is not there. */
bool names_find(const struct names *names, const char *name, size_t *place);
void names_free(struct names *names);

#endif

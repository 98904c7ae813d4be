/* A bar for a person who waits: how much of something long is done. On a terminal alone. */
#ifndef BASE_BAR_H
#define BASE_BAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: nothing was drawn yet. */
struct bar {
    int64_t began, next; /* a look, in ms of clock_ms() */
    bool drawn;          /* and its line has no end yet */
};

/* Whether it is time for a look at how far it is: ten times a second, and looks take a twentieth of
 * the time at the most. Each is to end in bar_draw. */
bool bar_is_due(struct bar *bar);
/* Draws the bar on standard output, at once, unless the terminal takes nothing at the moment. */
void bar_draw(struct bar *bar, size_t done, size_t all);
/* Ends its line, if there is one, so that something else can be said. */
void bar_leave(struct bar *bar);

#endif

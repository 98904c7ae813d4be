/* Going away from who started us, who waits until all that can fail at the start is done. */
#ifndef LISTEN_BACKGROUND_H
#define LISTEN_BACKGROUND_H

#include "base/outcome.h"

/*
 * Goes on in a new process of a new session. The one that was called waits, and ends with 0 at
 * background_ready, else as the new one ends. *ready is for that; it can still say on standard
 * error what is wrong.
 */
struct outcome background_begin(int *ready);
/* Lets go of who waits, and of its standard input, output and error. Nothing to do for -1. */
void background_ready(int *ready);

#endif

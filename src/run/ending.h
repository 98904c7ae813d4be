/* Being told to end, by SIGTERM: what is in hand is finished and written down, nothing is begun. */
#ifndef RUN_ENDING_H
#define RUN_ENDING_H

#include <stdbool.h>

/* From here on, in this process and those that are forked, the signal is noted and no more. */
void ending_expect(void);
/*
 * In a worker: what a terminal sends to all processes at once, such as by Ctrl-C, ends the
 * coordinator. The worker lives on, and finishes what it has in hand. Programs that it starts know
 * nothing of this.
 */
void ending_outlive_terminal(void);
bool ending_is_due(void);

#endif

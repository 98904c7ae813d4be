/* Being told to end, by SIGTERM: what is in hand is finished and written down, nothing is begun. */
#ifndef RUN_ENDING_H
#define RUN_ENDING_H

#include <stdbool.h>

/* From here on, in this process and those that are forked, the signal is noted and no more. */
void ending_expect(void);
bool ending_is_due(void);

#endif

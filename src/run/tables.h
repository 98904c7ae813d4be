/*
 * What a run goes by, beside the queue: the settings and the aliases. A run may last for hours, and
 * people change both meanwhile.
 */
#ifndef RUN_TABLES_H
#define RUN_TABLES_H

#include <stdbool.h>

#include "base/outcome.h"
#include "run/run.h"

/* Reads the settings, and opens the aliases: what is wrong with these is in run->aliases_problem.
 */
struct outcome tables_open(struct run *run);
/* Opens aliases that have changed anew. True: the settings have changed as well, and can be read.
 */
bool tables_refresh(struct run *run);
void tables_close(struct run *run);

#endif

/* postrider-run check: what the user who runs the queue finds, for postrider check and setup. */
#ifndef RUN_CHECK_H
#define RUN_CHECK_H

#include "base/outcome.h"

/* argv begins with "check": [-C FILE] [--online] [--smarthosts]. Prints findings as
 * finding_format has them. */
struct outcome check_run(int argc, char *const argv[]);

#endif

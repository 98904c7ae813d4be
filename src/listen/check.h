/* postrider-listen check: what a start of the listener would find, for postrider check. */
#ifndef LISTEN_CHECK_H
#define LISTEN_CHECK_H

#include "base/outcome.h"

/* argv begins with "check": [-C FILE] [--online]. Binds nothing. Prints findings as finding_format
 * has them. */
struct outcome listen_check_run(int argc, char *const argv[]);

#endif

/* newaliases: the databases of the alias files anew, with its caller's own rights. */
#ifndef RUN_NEWALIASES_H
#define RUN_NEWALIASES_H

#include "base/outcome.h"

/* argv: "newaliases", then -C FILE. What is wrong with a file leaves the others their turn; the
 * first failure is told, and the last one comes back. */
struct outcome newaliases_run(int argc, char *const argv[]);

#endif

/* Starting the listener, queue runs by the clock, and a session on standard input and output. */
#ifndef SENDMAIL_SERVE_H
#define SENDMAIL_SERVE_H

#include "base/outcome.h"
#include "sendmail/office.h"
#include "sendmail/options.h"

/* postrider serve; argv begins with the verb. Comes back with a failure alone. */
struct outcome serve_verb(int argc, char *const argv[]);
/* sendmail -bd and -bD, with or without -qINTERVAL; -qINTERVAL alone. Likewise. */
struct outcome serve_run(struct office *office, const struct options *options);
/* sendmail -bs. Likewise. */
struct outcome serve_session(struct office *office);

#endif

/* postrider route, and by sendmail's options -bv and -bt: where an address would go, and why. */
#ifndef SENDMAIL_ROUTE_H
#define SENDMAIL_ROUTE_H

#include "base/outcome.h"
#include "sendmail/office.h"
#include "sendmail/options.h"

/* Both hand over to postrider-run, and come back with a failure alone. argv begins with the verb.
 */
struct outcome route_verb(int argc, char *const argv[]);
/* -bv (MODE_VERIFY) and -bt (MODE_TEST). */
struct outcome route_run(const struct office *office, const struct options *options);

#endif

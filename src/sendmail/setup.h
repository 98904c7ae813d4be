/* postrider setup: an account with a provider, from a few answers to the first message. */
#ifndef SENDMAIL_SETUP_H
#define SENDMAIL_SETUP_H

#include "base/outcome.h"

/*
 * argv begins with the verb. Nothing is written before the sign-in has worked, unless --offline is
 * said. EX_NOPERM: the password was refused; EX_UNAVAILABLE, EX_TEMPFAIL: it could not be tried, or
 * the test message did not arrive; EX_USAGE, EX_DATAERR, EX_CONFIG and so on for what was said.
 */
struct outcome setup_verb(int argc, char *const argv[]);

#endif

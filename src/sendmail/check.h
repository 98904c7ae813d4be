/* postrider check: whether all is as it should be, and how to mend what is not. */
#ifndef SENDMAIL_CHECK_H
#define SENDMAIL_CHECK_H

#include "base/outcome.h"

/* argv begins with the verb. Not DONE, without a word, when there are warnings (EX_TEMPFAIL) or
 * faults (EX_CONFIG). */
struct outcome check_verb(int argc, char *const argv[]);

#endif

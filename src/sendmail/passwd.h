/* postrider passwd: hands over to the program that knows passwords. */
#ifndef SENDMAIL_PASSWD_H
#define SENDMAIL_PASSWD_H

#include "base/outcome.h"

/* argv begins with the verb. Comes back with a failure alone. */
struct outcome passwd_verb(int argc, char *const argv[]);

#endif

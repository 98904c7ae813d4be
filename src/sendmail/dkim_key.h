/* postrider dkim-key: hands over to the program that knows keys. */
#ifndef SENDMAIL_DKIM_KEY_H
#define SENDMAIL_DKIM_KEY_H

#include "base/outcome.h"

/* argv begins with the verb. Comes back with a failure alone. */
struct outcome dkim_key_verb(int argc, char *const argv[]);

#endif

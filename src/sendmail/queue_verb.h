/* postrider queue: its actions, by one table. */
#ifndef SENDMAIL_QUEUE_VERB_H
#define SENDMAIL_QUEUE_VERB_H

#include "base/outcome.h"

/* argv begins with the verb. */
struct outcome queue_verb(int argc, char *const argv[]);
/* postrider trace ID|ADDRESS. */
struct outcome trace_verb(int argc, char *const argv[]);

#endif

/* postrider-run dkim-key: keys that sign mail and their records, as postrider dkim-key asks. */
#ifndef RUN_DKIM_KEY_H
#define RUN_DKIM_KEY_H

#include "base/outcome.h"

/* argv begins with "dkim-key": [-C FILE] [--selector NAME] [--type rsa|ed25519] [--force | --show]
 * [--] DOMAIN. */
struct outcome dkim_key_run(int argc, char *const argv[]);

#endif

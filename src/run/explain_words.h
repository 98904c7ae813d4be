/* The sentences of postrider route: what becomes of an address, in words. Pure. */
#ifndef RUN_EXPLAIN_WORDS_H
#define RUN_EXPLAIN_WORDS_H

#include "base/buffer.h"
#include "config/settings.h"
#include "route/route.h"
#include "route/targets.h"

/* Both: one word for scripts, and the sentence behind the buffer. */

/* What leaves this machine, or would; sender: whose smarthost it is. */
const char *explain_hop(const struct next_hop *next, const struct address *sender,
                        struct buffer *words);
/* A target that is no remote address. */
const char *explain_end(const struct settings *settings, const struct target *target,
                        struct buffer *words);

#endif

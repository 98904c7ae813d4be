/*
 * What is said of each message that somebody commanded: a line or an object on standard output, or
 * the reason on standard error why nothing was done. When they are many, a person gets a bar and
 * totals. Knows nothing of the queue.
 */
#ifndef RUN_ANSWER_H
#define RUN_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bar.h"

enum { ANSWER_KINDS = 8 };

struct answers {
    const char *action; /* "retry" and so on, for objects */
    bool json;          /* objects, also of what was not done */
    bool many;          /* a bar and totals */
    struct bar bar;
    struct {
        const char *words;
        size_t count;
    } totals[ANSWER_KINDS];
};

/* So many messages are to be answered for. quiet: no bar, as something else is shown. */
void answers_begin(struct answers *answers, size_t count, bool quiet);
/* What came of it: the result for programs, words for people, both static, and a reason or NULL. */
void answers_done(struct answers *answers, const char *id, const char *result, const char *words,
                  const char *reason);
/* Nothing did. */
void answers_refuse(const struct answers *answers, const char *id, const char *why);
/* The totals, if there are any. */
void answers_end(struct answers *answers);

#endif

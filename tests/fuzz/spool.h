/* A queue of a target's own. */
#ifndef FUZZ_SPOOL_H
#define FUZZ_SPOOL_H

#include "fuzz.h"
#include "queue/queue.h"

/* Opened by the first call, in the folder that run.py gives us and removes. */
static inline const struct queue *spool_queue(void)
{
    static struct queue queue;
    if (!queue.directory) {
        const char *space = getenv("TMPDIR");
        char folder[4096];
        snprintf(folder, sizeof folder, "%s/postrider-fuzz-XXXXXX", space ? space : "/tmp");
        must(mkdtemp(folder));
        struct outcome outcome = queue_open(folder, true, &queue);
        must(outcome_good(&outcome));
    }
    return &queue;
}

#endif

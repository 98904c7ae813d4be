/* A queue of a target's own, in memory, that goes away with it. */
#ifndef FUZZ_SPOOL_H
#define FUZZ_SPOOL_H

#include "fuzz.h"
#include "queue/queue.h"

static char spool_folder[] = "/dev/shm/postrider-fuzz-XXXXXX";

static inline void spool_remove(void)
{
    char command[sizeof spool_folder + 16];
    snprintf(command, sizeof command, "rm -rf %s", spool_folder);
    if (system(command) != 0)
        perror(command);
}

/* Opened by the first call. */
static inline const struct queue *spool_queue(void)
{
    static struct queue queue;
    if (!queue.directory) {
        must(mkdtemp(spool_folder));
        struct outcome outcome = queue_open(spool_folder, true, &queue);
        must(outcome_good(&outcome));
        atexit(spool_remove);
    }
    return &queue;
}

#endif

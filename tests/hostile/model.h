/*
 * What must become of each recipient, from the script alone: by what the RFCs and the promise say
 * of replies and their order. It shares nothing with the client but that.
 */
#ifndef TESTS_HOSTILE_MODEL_H
#define TESTS_HOSTILE_MODEL_H

#include <stdbool.h>

#include "script.h"
#include "server.h"

/* Fates, to be put together where chance decides: delivered, queued, bounced. */
enum fate { DELIVERED = 1, QUEUED = 2, BOUNCED = 4 };

struct expected {
    unsigned fates[ALL_RECIPIENTS];
    bool exact; /* each has one fate */
};

void model_expect(const struct script *script, struct expected *expected);

#endif

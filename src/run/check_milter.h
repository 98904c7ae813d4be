/* Whether a milter can be connected to. */
#ifndef RUN_CHECK_MILTER_H
#define RUN_CHECK_MILTER_H

#include "check/finding.h"
#include "config/settings.h"

struct milter_question {
    const struct settings *settings;
    const char *name; /* "inet:host:port" */
};

/* For a process of its own, which it locks in. question: a struct milter_question. */
void check_milter(const void *question, struct findings *findings);

#endif

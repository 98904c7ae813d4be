/* The commands of SMTP that we know: one table for dispatch and HELP. */
#ifndef LISTEN_VERB_H
#define LISTEN_VERB_H

#include <stdbool.h>

#include "listen/session.h"

struct verb {
    const char *name;
    /* The argument is what stands behind the verb, without blanks at its ends. */
    void (*run)(struct session *session, char *argument);
    bool is_last;  /* nothing may be sent behind it before its reply (RFC 2920 3.1) */
    bool is_idle;  /* does nothing for the transaction: only so many of these in a row */
    bool is_clear; /* may be said in clear where TLS is required (RFC 3207 4) */
};

/* NULL: there is no such command. */
const struct verb *verb_find(const char *name);
/* The names of all, with spaces between. */
void verb_list(struct buffer *names);

#endif

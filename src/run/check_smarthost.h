/*
 * What can be said of a smarthost before any mail goes there: names, connection, TLS, signing in,
 * limits; asked by the client that delivers, as far as to MAIL. Nothing of the queue is touched.
 */
#ifndef RUN_CHECK_SMARTHOST_H
#define RUN_CHECK_SMARTHOST_H

#include <stdbool.h>
#include <stdint.h>

#include "check/finding.h"
#include "config/settings.h"

/* What is looked at: one of .host, .domain and .socket. */
struct smarthost_question {
    const struct settings *settings;
    const struct smarthost *peer;
    const char *section; /* "[smarthost \"shop\"]" */
    const char *host;    /* as an item of the peer's hosts has it */
    const char *domain;  /* by its MX records */
    const char *socket;
    bool is_route;    /* of a [route]: whatever is wrong is worth a hint */
    int64_t deadline; /* clock_ms */
};

/*
 * For a process of its own, which it locks in. question: a struct smarthost_question. Topics are
 * "smarthost" or "route", "sign-in" for all about user and password, and "clock".
 */
void check_smarthost(const void *question, struct findings *findings);

#endif

/*
 * One milter in one session: what it is told at each stage, and what it says. Connected at the
 * first MAIL, for all messages of the session.
 */
#ifndef FILTER_MILTER_H
#define FILTER_MILTER_H

#include <stdbool.h>

#include "base/outcome.h"
#include "config/settings.h"
#include "filter/held.h"
#include "filter/milter_link.h"
#include "filter/milter_macros.h"
#include "filter/milter_packet.h"
#include "net/reply.h"

/* Make it with milter_start. */
struct milter {
    const struct settings *settings;
    struct milter_link link;
    struct milter_options options;

    /* Of the session. */
    unsigned faults;
    bool is_logged;   /* that it does not do its work */
    bool has_met;     /* it has been told of the connection */
    bool is_content;  /* it has accepted the connection, and is asked no more */
    bool has_refused; /* the connection, with .reply */
    char *helo;       /* the name that it was told; NULL: none */
    bool helo_in_tls;

    /* Of the message. */
    bool is_asked;   /* it has been told of the sender, and has not said its last word */
    bool is_missing; /* it did not do its work: milter_default says what comes of the message */
    bool discards;   /* it wants the message taken and thrown away */
    bool skips_recipients;

    struct reply reply; /* what is to be said instead of 250, after an outcome that is not DONE */
};

void milter_start(struct milter *milter, const char *name, const struct settings *settings);
/* Says goodbye. */
void milter_end(struct milter *milter);

/*
 * Each stage. DONE: go on, unless .discards. Otherwise NEVER or LATER with words for the log, and
 * .reply for the client; but for a recipient that is refused the message is over for this milter.
 * An empty .reply: the trouble is our own. What it is not asked about is DONE.
 */
struct outcome milter_sender(struct milter *milter, const struct milter_facts *facts);
struct outcome milter_recipient(struct milter *milter, const struct milter_facts *facts);
struct outcome milter_data(struct milter *milter, const struct milter_facts *facts);
/* Whether it wants to see the message. */
bool milter_wants_message(const struct milter *milter);
/* The whole of it; then what it wants changed is. */
struct outcome milter_message(struct milter *milter, const struct milter_facts *facts,
                              struct held *held);
/* The message is over. */
void milter_reset(struct milter *milter);

#endif

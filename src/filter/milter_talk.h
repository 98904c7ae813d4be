/* A question to a milter and what comes of its answer, whatever it is; for milter.c and
 * milter_message.c alone. */
#ifndef FILTER_MILTER_TALK_H
#define FILTER_MILTER_TALK_H

#include "filter/milter.h"

enum { MILTER_FAULTS_MOST = 3 /* of a session, before one is left alone for the rest of it */ };

/* Where it is in the dialogue: what its answer is about, and which ones there are. */
enum milter_place { OF_CONNECTION, OF_MESSAGE, OF_RECIPIENT };

/* Whether it wants none of this, or this. */
bool milter_leaves_out(const struct milter *milter, unsigned step);
/* Puts the macros of a stage before the command. */
void milter_put_stage(struct milter *milter, enum milter_stage stage, enum milter_command command,
                      const struct milter_facts *facts);

/* LATER or NEVER, by .reply. */
struct outcome milter_refuse(struct milter *milter);
/* What milter_default says of a message at which it is missing. */
struct outcome milter_go_without(struct milter *milter);
/* The connection is of no use any more. The same, and a line of log. */
struct outcome milter_fail(struct milter *milter, const struct outcome *outcome);

/* Sends what has been put together, and waits for an answer, or just for one more. That it is at
 * work on it is none. LATER: in vain. */
struct outcome milter_await(struct milter *milter, bool is_more, char *kind);
/* What an answer means. */
struct outcome milter_hear(struct milter *milter, char kind, enum milter_place place);
/*
 * All of it, unless it is one that stays silent at this step. *skips (NULL: may not be): it wants
 * no more of the same kind.
 */
struct outcome milter_ask(struct milter *milter, unsigned silent, enum milter_place place,
                          bool *skips);

#endif

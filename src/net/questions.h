/*
 * Questions to the DNS that wait for their answers together, and never beyond a time: over UDP,
 * each from a port of its own with a random id, over TCP for an answer that was cut. Asks those
 * whom /etc/resolv.conf names, and nobody else.
 */
#ifndef NET_QUESTIONS_H
#define NET_QUESTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "net/resolver.h"

enum { QUESTIONS_MOST = 256 /* at once */ };

struct question {
    const char *name;
    ns_type type;
};

/* Called once for each question, with its place; what is in the answer is gone after the call. With
 * NO_ANSWER there is nothing but the trouble in it. */
typedef void questions_take(void *context, size_t place, enum resolved found,
                            struct answer *answer);

/*
 * Asks all of them. deadline: in clock_ms; what is not answered by then is NO_ANSWER. Questions
 * over the most are not asked, and NO_ANSWER. answer: room for one.
 */
void questions_ask(const struct resolver *resolver, const struct question *questions, size_t count,
                   int64_t deadline, struct answer *answer, questions_take *take, void *context);
/* One question likewise; what came is in the answer. */
enum resolved questions_ask_one(const struct resolver *resolver, const char *name, ns_type type,
                                int64_t deadline, struct answer *answer);

#endif

/* Part of postrider setup: a message on its whole way, and what became of it. */
#ifndef SENDMAIL_SETUP_TEST_H
#define SENDMAIL_SETUP_TEST_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "config/settings.h"
#include "queue/queue.h"

struct setup_test {
    const char *config; /* for -C; NULL: the installed settings */
    const char *sender; /* NULL: the caller */
    const char *recipient;
    bool verbose; /* the dialogue is shown on standard output */

    char id[QUEUE_ID_SIZE]; /* of the message, once it is in the queue */
    bool delivered;         /* a next hop has said that it has it, or a mailbox has it */
    struct buffer words;    /* "delivered to smtp.example.net: 250 ok", or why not; clean; freed by
                               the caller */
};

/* Hands the message in as any program would, and watches its delivery. Not good when it was not
 * delivered: EX_TEMPFAIL when it waits in the queue, EX_UNAVAILABLE when it was refused, or what
 * the submission said. The words are there either way. */
struct outcome setup_test_run(struct setup_test *test, const struct settings *settings);

#endif

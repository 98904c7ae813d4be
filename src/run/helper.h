/* The privileged helper, with a message on its standard input. */
#ifndef RUN_HELPER_H
#define RUN_HELPER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "queue/letter.h"

struct helper {
    const char *const *arguments; /* behind the program's name; NULL-terminated */
    bool is_entry;                /* see entry.h */
    bool apart;                   /* it may leave the message unread: a process apart writes it,
                                     which holds every lock that we hold */
    int status;                   /* filled in: its exit status, or 128 + signal */
    struct buffer words;          /* filled in: its standard error, one line, trimmed */
    struct buffer output;         /* filled in: its standard output */
};

/*
 * Runs it on a message for one of its recipients, until it ends. LATER: it could not be run, or the
 * message not be read. The helper may end without taking all of the message. The caller frees.
 */
struct outcome helper_run(struct helper *helper, const struct letter *letter, size_t index);
void helper_free(struct helper *helper);

#endif

/*
 * What one milter wants changed of a message, gathered until it has said its last word: then all of
 * it is done, or nothing.
 */
#ifndef FILTER_MILTER_CHANGES_H
#define FILTER_MILTER_CHANGES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "config/settings.h"
#include "filter/held.h"

/* Make it with {.settings = ...}. */
struct milter_changes {
    const struct settings *settings;
    bool leading_space; /* values of fields come with what stands behind the colon */
    struct buffer list; /* the wishes one after the other, but for the body */
    size_t count;
    bool has_body;
    bool is_after_cr; /* the last byte was one, and has not been put yet */
    bool is_after_lf;
    struct held other; /* with the new body */
};

/* The next wish. LATER: it makes no sense, or it is too much; nothing is to be done then. */
struct outcome milter_changes_take(struct milter_changes *changes, const struct held *held,
                                   char kind, const char *data, size_t length);
/* Does it all, and logs that for the message. LATER: there is no room for the new body, and nothing
 * was done. */
struct outcome milter_changes_apply(struct milter_changes *changes, struct held *held,
                                    const char *milter);
/* What was not done is forgotten. */
void milter_changes_free(struct milter_changes *changes);

#endif

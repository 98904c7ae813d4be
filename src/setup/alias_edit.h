/* Who reads root's mail: one alias in an aliases file, whose other lines stay as they are. */
#ifndef SETUP_ALIAS_EDIT_H
#define SETUP_ALIAS_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"

/* The targets of an alias behind the buffer, as written; *found: whether there is one. path is for
 * the words of what does not parse: EX_DATAERR. */
struct outcome alias_edit_find(const char *path, const struct buffer *text, const char *name,
                               struct buffer *targets, bool *found);
/* The text with this alias behind the buffer: a new line at the end, or where the old one was,
 * which becomes a comment. EX_DATAERR for what is no target. */
struct outcome alias_edit_set(const char *path, const struct buffer *text, const char *name,
                              const char *target, struct buffer *result);

#endif

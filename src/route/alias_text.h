/*
 * The text form of aliases, as sendmail has it (aliases(5)): "name: target, target", quoted names,
 * lines that begin with white space or follow a '\' go on, '#' begins a line that is a comment.
 * Names of any script are UTF-8. Knows the form; never what a target leads to.
 */
#ifndef ROUTE_ALIAS_TEXT_H
#define ROUTE_ALIAS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "base/text.h"
#include "mail/address.h"

enum {
    ALIAS_LINE_LONGEST = 1024 * 1024,      /* bytes of one line */
    ALIAS_ENTRY_LONGEST = 64 * 1024 * 1024 /* and of an alias with all its lines */
};

struct alias {
    unsigned line;     /* where it begins */
    const char *key;   /* in the form of alias_key_of */
    const char *value; /* the targets as written, in one line */
};

/*
 * Reads an open file; path is for the words. take is told of each alias, and ends the reading by an
 * outcome that is not good. LATER (4.3.5), EX_DATAERR, "path:line: why" at the first line that
 * does not parse.
 */
struct outcome alias_text_read(int fd, const char *path,
                               struct outcome (*take)(void *context, const struct alias *alias),
                               void *context);
/* An outcome of that kind. */
struct outcome alias_fault(const char *path, unsigned line, const char *why);

/*
 * The form in which keys are stored and looked up: lower case, without quotes, the domain in
 * A-labels: "name", "user@domain" or "@domain". Either part of the address may be NULL.
 */
void alias_key_of(const struct address *address, struct buffer *key);

/*
 * Adds the targets of a list, parted by commas that are outside of quotes, comments and angle
 * brackets, as written. False: one of these is not closed.
 */
bool alias_split(const char *value, struct texts *targets);

#endif

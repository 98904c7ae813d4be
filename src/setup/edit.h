/*
 * A settings file as text that is edited as a person would do it: a value is changed in its place,
 * and every comment, blank line, order and other key stays as it was. What was edited is read back
 * by the reader of our settings before it counts, so that a value that it would cut, split or take
 * for something else is found here. Knows lines, sections and keys; never what a key means.
 */
#ifndef SETUP_EDIT_H
#define SETUP_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"

/* A section, or a key with its value, as the reader has it. */
struct edit_entry {
    char *section, *name; /* "smarthost" and "st2" of [smarthost "st2"]; name is "" without one */
    char *key;            /* NULL for the section itself */
    char *value;          /* of all its lines, with ", " between them */
    unsigned *lines;      /* their numbers, from 1 on */
    size_t line_count;
};

struct edit {
    char *path;         /* for words */
    struct buffer text; /* as it is to be written */
    struct edit_entry *entries;
    size_t count;
};

/*
 * Takes a text, that of the file at path, which may be empty. EX_CONFIG, "path:line: why", when the
 * reader does not understand it, or a section or a key of one stands there twice. The caller frees
 * either way.
 */
struct outcome edit_open(struct edit *edit, const char *path, const char *text, size_t length);
/* Overwrites it all: it may hold passwords. */
void edit_free(struct edit *edit);

/* The value, which belongs to the edit; NULL: the key is not there. */
const char *edit_find(const struct edit *edit, const char *section, const char *name,
                      const char *key);
/*
 * Gives a key its value, in a section that is made if it is missing. Nothing changes if it has that
 * value already. A list (as config/keys.h says) may be longer than a line. EX_DATAERR, without the
 * value, when no line can carry it: nothing is changed then.
 */
struct outcome edit_set(struct edit *edit, const char *section, const char *name, const char *key,
                        const char *value);
/* The key no longer counts, but can still be read, as a comment; key NULL: the heading of a section
 * that has none any more. Nothing, if it is not there. */
struct outcome edit_comment_out(struct edit *edit, const char *section, const char *name,
                                const char *key);
/* The lines of the key are gone: for passwords. Nothing, if it is not there. */
struct outcome edit_remove(struct edit *edit, const char *section, const char *name,
                           const char *key);

/* A file without a name that holds the text, for those who read from a descriptor; -1 with errno
 * set. */
int edit_make_file(const char *text, size_t length);

#endif

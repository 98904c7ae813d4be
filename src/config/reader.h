/*
 * Reading a file in the ini form: inih parses, this reader hands it the lines one by one and
 * sees each of them raw, so that nothing is ever cut, joined or taken for a comment in silence.
 * Knows lines and sections; never what a key means, and never quotes a line in its words, as
 * the line may hold a secret.
 */
#ifndef CONFIG_READER_H
#define CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outcome.h"

/* What stands in one line. All of it is good during the call only. */
struct entry {
    const char *path;
    unsigned line;
    const char *section;     /* "smarthost" of [smarthost "st2"] */
    const char *name;        /* "st2"; "" without one */
    const char *key, *value; /* NULL for the line of a section itself */
    bool continued;          /* adds to the key before it */
    bool commented;          /* white space and a ';' ended the value */
};

struct reader {
    /* Told of each section and each value. An outcome that is not good ends the reading. */
    struct outcome (*section)(void *context, const struct entry *entry);
    struct outcome (*value)(void *context, const struct entry *entry);
    void *context;
    const char *too_long; /* what to do about a line that is too long; "" for no advice */
};

/*
 * Reads an open file, path is for the words only. The text is wiped from memory afterwards.
 * EX_CONFIG with "path:line: what"; the first outcome of section or value that is not good.
 */
struct outcome reader_read(const struct reader *reader, int fd, const char *path);

/* EX_CONFIG, "path:line: " before the words. */
struct outcome reader_fault(const struct entry *entry, const char *format, ...) FORMATTED(2, 3);

#endif

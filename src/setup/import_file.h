/*
 * The files of another mail program: found below a root, read whole, given line by line. Knows
 * nothing of what stands in them; what is too large or no file is refused in a note.
 */
#ifndef SETUP_IMPORT_FILE_H
#define SETUP_IMPORT_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outcome.h"
#include "setup/import_note.h"

/* One import on its way. */
struct importing {
    struct import *import;
    const char *root; /* below which every path stays; "" for this machine */
    const char *home; /* of the user, below the root; NULL: nobody's */
    struct outcome outcome;
};

/* A file, in memory. Zero-initialise it. */
struct source {
    char *path; /* as it is seen from the root */
    char *data;
    size_t size; /* of the memory, one more than the file's */
    size_t length, at;
    unsigned line; /* the number of the one that came last */
};

/* One line, or several that belong together: without its end, good until the source is freed. */
struct source_line {
    char *text;
    unsigned first, last;
};

enum source_need {
    SOURCE_MAIN,  /* when it cannot be read there is nothing to import: importing->outcome says why;
                     that it is missing is for the caller to say */
    SOURCE_NAMED, /* another file names it: a note says when it is missing, or cannot be read */
    SOURCE_MAYBE  /* likewise, but it need not be there */
};

/* Whether there is such a file, be it readable or not. */
bool source_is_there(const struct importing *importing, const char *path);
/* Reads a file. False: there is none, or it cannot be read. The caller frees either way. */
bool source_open(struct importing *importing, const char *path, enum source_need need,
                 struct source *source);
/* Overwrites what was read. */
void source_free(struct source *source);

/* How lines go on. */
enum source_form {
    SOURCE_PLAIN,    /* they do not */
    SOURCE_INDENTED, /* an indented line goes on with the one above it (Postfix's files) */
    SOURCE_BACKSLASH /* a '\' at the end; white space that begins the next line is dropped (Exim) */
};

/*
 * The next line with anything in it but white space and comments ('#' first). A line that holds a
 * NUL byte gets its note and is passed over. False: there is none.
 */
bool source_next(struct importing *importing, struct source *source, enum source_form form,
                 struct source_line *line);
/* A note about it, with this text instead of its own unless that is NULL. */
size_t source_note(struct importing *importing, const struct source *source,
                   const struct source_line *line, const char *text);
/* The first line of a file that has only one, without white space around it, and its note; NULL:
 * there is none, or the file is missing. The caller frees. */
char *source_word(struct importing *importing, const char *path, enum source_need need,
                  size_t *note);

/* The first word behind *text, which moves to what follows the white space after it. */
char *source_split(char **text);

/* The name behind senders of this machine, as settings.c finds it: of the mailname file below the
 * root, else its host name; NULL: nobody knows. The caller frees. */
char *source_domain(const struct importing *importing);

#endif

/*
 * What another mail program was told, as settings of ours: for `postrider setup --from PROGRAM`.
 * Its files are read as it reads them itself, and every line of them gets a note that says what
 * became of it. Nothing is written, asked of the network or run; no note holds a secret.
 */
#ifndef SETUP_IMPORT_H
#define SETUP_IMPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "base/text.h"

/* A key of postrider.conf or credentials.conf. Our reader takes the value: it is valid there. */
struct import_value {
    char *section; /* "smarthost" of [smarthost "st2"] */
    char *name;    /* "st2"; "" without one */
    char *key;
    char *value; /* one line; a list is parted by ", " and may be longer than a line of ours can be:
                    keys_find(section, key)->list says whether it may go on in further lines */
};

struct import_values {
    struct import_value *items;
    size_t count, capacity;
};

/* From the best to the worst. */
enum import_mark {
    IMPORT_SAME,  /* nothing to take over: ours does it without being told */
    IMPORT_TAKEN, /* is among the values */
    IMPORT_OTHER, /* is taken over, or meant, in another way than it was: to be looked at */
    IMPORT_LEFT   /* not taken over; the words say why, and what to do instead */
};

/* What became of a line, or of what a program does where nothing is said. */
struct import_note {
    enum import_mark mark;
    char *file;          /* as it is seen from the root that was given */
    unsigned line, last; /* of a line and those that continue it; 0: of no line, text is then "" */
    char *text;          /* the line, without its secrets; clean, and cut if it is long */
    struct buffer words; /* "taken over as [smarthost] host = ...": clean, and may be long */
};

/* Zero-initialise it; owns what is in it. */
struct import {
    /* The sections are in the order in which they are wanted, and the keys of one stand together. A
     * section [smarthost], [route] or [listen] is meant as a whole: what an older one of the same
     * name has beside these keys belongs to another account, and should go. */
    struct import_values settings;
    /* For credentials.conf: section "smarthost", and "password", which may hold anything but a line
     * end: what does not fit into a line there goes into a password_file. */
    struct import_values credentials;
    struct texts aliases; /* lines for the aliases file, such as "root: ops@example.org" */
    struct import_note *notes;
    size_t note_count, note_capacity;
};

/* The names of the programs; NULL ends the list. */
const char *const *import_programs(void);
/*
 * Reads the files of this program below the folder root, "" being this machine, and the user's own
 * ones in his home (NULL: none of his), which is the path that it has there, without the root. To
 * be called with the rights of who asked alone. DONE even if parts could not be taken over;
 * EX_USAGE for an unknown program, EX_NOINPUT when it has no settings here, EX_NOPERM when they may
 * not be read, EX_DATAERR when they are none. What could be read is in *import either way; the
 * caller frees it.
 */
struct outcome import_read(const char *program, const char *root, const char *home,
                           struct import *import);
/* A note as a line for people, without its end: "FILE:LINE: `text`: words"; behind the buffer. */
void import_format_note(const struct import_note *note, struct buffer *text);
/* Frees all of it, and wipes the secrets. */
void import_free(struct import *import);

#endif

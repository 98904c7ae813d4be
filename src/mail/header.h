/*
 * The header of a message, as fields that keep their exact bytes (RFC 5322 2.2). Lines end in LF
 * here; CRLF is a matter of the wire.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* The longest line that may travel, without its end (RFC 5322 2.1.1). */
enum { LINE_LONGEST = 998 };

struct field {
    char *text;         /* name, colon, body, folds and the last LF: owned, NUL-terminated */
    size_t name_length; /* up to the colon, without white space before it */
    size_t length;      /* of the text; a NUL within makes strlen see less */
    size_t capacity;
};

struct header {
    struct field *fields;
    size_t count;
    size_t capacity;
};

/*
 * Takes the next line of a message (LF included if there is one). True: it belongs to the header.
 * False: the header has ended before it; the empty line itself is such a line. A first line that
 * is a mbox "From " line is swallowed (true); a line that is neither a field nor a continuation
 * ends the header, so that it and what follows are body.
 */
bool header_take_line(struct header *header, const char *line, size_t length);
/* The index of the next field of this name from an index on; count when there is none. */
size_t header_find(const struct header *header, const char *name, size_t from);
/* Everything behind the colon, folds and all. */
const char *field_body(const struct field *field);
bool field_is(const struct field *field, const char *name);
/* What the first field of this name says, trimmed and fit for a log; NULL: there is none. The
 * caller frees. */
char *header_words(const struct header *header, const char *name);
/* Whether a NUL byte hides the rest of the field from whoever reads it as a string. */
bool field_has_nul(const struct field *field);
/* Puts a field in at an index; name and body without line ends (the body may hold "\n " folds). */
void header_insert(struct header *header, size_t index, const char *name, const char *body);
/* Removes one field. */
void header_remove(struct header *header, size_t index);
/* Removes every field that is unwanted, in one pass. */
void header_remove_if(struct header *header,
                      bool (*unwanted)(const void *context, const struct field *field),
                      const void *context);
/* Removes every field of this name, in one pass. */
void header_remove_all(struct header *header, const char *name);
/* Replaces the body from its first byte behind the colon; a last LF is put there if missing. */
void header_replace(struct header *header, size_t index, const char *body);
/* Puts all fields behind the buffer, without the empty line. Lines over 998 bytes are folded. */
void header_format(const struct header *header, struct buffer *text);
void header_free(struct header *header);

/* Puts lines that end in LF behind the buffer, folded where they are over 998 bytes. */
void header_fold(const char *lines, size_t length, struct buffer *text);

#endif

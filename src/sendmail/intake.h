/*
 * The message as it comes from the caller, in blocks whose lines end in LF, whatever they ended
 * in: CRLF, a bare LF and a bare CR are one line end each. Knows nothing of headers.
 */
#ifndef SENDMAIL_INTAKE_H
#define SENDMAIL_INTAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/file.h"

/* Open it with {.input = {.fd = ...}}; .input.error tells of a failed read afterwards. */
struct intake {
    struct input input;
    bool dot_ends; /* a line with nothing but a dot ends the message */
    bool after_cr;
    enum { LINE_START, LINE_DOT, LINE_INSIDE } place;
    bool ended;
    char *data; /* the block, of FILE_BLOCK + 1 bytes, when bytes had to be changed */
    const char *block;
    size_t start, end; /* what is left of the block */
};

/*
 * What is left of this block, or the next one, never empty; it is then taken. False at the end of
 * the message. *data is good until the next call.
 */
bool intake_block(struct intake *intake, const char **data, size_t *length);
/* The next line, with its LF if it has one, behind the buffer; false at the end of the message.
 * What does not fit under the buffer's limit is not taken: .failed is set then. */
bool intake_line(struct intake *intake, struct buffer *line);
void intake_free(struct intake *intake);

#endif

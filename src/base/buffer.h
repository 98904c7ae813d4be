/*
 * A growing run of bytes with a cap. Zero-initialise it; set .limit to cap it. What would go
 * over the cap is not appended and poisons the buffer (.failed): look once, at the end.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outcome.h"

struct buffer {
    char *data;    /* NUL-terminated once anything was appended; owned */
    size_t length; /* without that NUL */
    size_t capacity;
    size_t limit; /* most bytes it may hold; 0: no cap */
    bool failed;  /* something did not fit */
};

void buffer_append(struct buffer *buffer, const void *data, size_t length);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_byte(struct buffer *buffer, char byte);
void buffer_format(struct buffer *buffer, const char *format, ...) FORMATTED(2, 3);
/* Makes it empty and whole again; keeps the memory. */
void buffer_clear(struct buffer *buffer);
/* Frees the memory; the buffer can be used again. */
void buffer_free(struct buffer *buffer);
/* The same, after overwriting what was in it. */
void buffer_wipe(struct buffer *buffer);
/* The content as text, "" when empty; belongs to the buffer. */
const char *buffer_text(const struct buffer *buffer);
/* The content as a string that the caller frees; the buffer is empty afterwards. */
char *buffer_take(struct buffer *buffer);

#endif

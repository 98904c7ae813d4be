/* JSON (RFC 8259), as far as we write it: always valid UTF-8, whatever the bytes. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buffer.h"

/* A string in its quotes behind the buffer; bytes that are no UTF-8 become U+FFFD. NULL: null. */
void json_string(struct buffer *json, const char *text);
/*
 * A part of a string, without quotes. last: no more follows; else up to three bytes at the end may
 * be left for the next part, which is to begin with them. The bytes that were taken.
 */
size_t json_part(struct buffer *json, const char *text, size_t length, bool last);
/* "name": behind the buffer, after a comma unless the object has just begun. */
void json_name(struct buffer *json, const char *name);
/* A member with a string, a whole number, or true and false. */
void json_text(struct buffer *json, const char *name, const char *text);
void json_number(struct buffer *json, const char *name, long long number);
void json_flag(struct buffer *json, const char *name, bool flag);
/* A time in seconds since 1970; 0: null. */
void json_time(struct buffer *json, const char *name, long long when);
/* The comma before the next item of an array or object, unless that has just begun. */
void json_next(struct buffer *json);

#endif

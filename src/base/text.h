/* Text to value and back, and small questions about text. Pure; ASCII where case matters. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A list of strings, each owned by the list. Zero-initialise it. */
struct texts {
    char **items;
    size_t count;
    size_t capacity;
};

/* Adds a copy of the text. */
void texts_add(struct texts *list, const char *text);
void texts_free(struct texts *list);
/* Adds the comma-separated items of a list, trimmed; empty ones are left out. */
void texts_split(struct texts *list, const char *text);

/* Replaces every control character (line ends among them) by a space, in place. */
void text_clean(char *text);
/*
 * Makes words that a stranger chose fit for a log and a terminal, in place: control characters
 * become spaces; what is no UTF-8, and the control characters from U+0080 to U+009F, with which a
 * terminal can be steered like with ESC, become '?'.
 */
void text_tame(char *text, size_t length);
/* Lower case for A to Z, in place. */
void text_lower(char *text);
/* Cuts white space off both ends, in place, and returns where the rest begins. */
char *text_trim(char *text);
bool text_equal(const char *a, const char *b);        /* A to Z without regard to case */
bool text_starts(const char *text, const char *with); /* likewise */
/* Shell-like pattern with '*' alone as a wildcard, without regard to case. */
bool text_match(const char *pattern, const char *text);
/* "50M" (K, M, G: powers of 1024) to bytes; false when it is no such number. */
bool text_to_size(const char *text, uint64_t *bytes);
/* "90", "5m", "4h", "5d", "2w" to seconds; false when it is no such time. */
bool text_to_seconds(const char *text, uint64_t *seconds);
/* "100/h" (s, m, h or d): how many in how many seconds; false when it is no such rate. */
bool text_to_rate(const char *text, unsigned *count, unsigned *seconds);
/* A whole decimal number from low to high, nothing else. */
bool text_to_number(const char *text, uint64_t low, uint64_t high, uint64_t *number);
/* Seconds in words for people, such as "4h" or "2d3h", into the given space. */
const char *text_from_seconds(uint64_t seconds, char *space, size_t size);
/* Whether every byte sequence is well-formed UTF-8 (RFC 3629). */
bool text_is_utf8(const char *text, size_t length);
/* Whether all bytes are below 128. */
bool text_is_ascii(const char *text);

#endif

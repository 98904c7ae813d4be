/* The distance of Levenshtein, row by row. */
#include "config/spelling.h"

#include <string.h>

enum { WORD_LONGEST = 64 }; /* what is longer is no slip of the pen */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t spelling_distance(const char *a, const char *b)
{
    size_t a_length = strlen(a), b_length = strlen(b);
    if (a_length > WORD_LONGEST || b_length > WORD_LONGEST)
        return a_length + b_length;
    size_t row[WORD_LONGEST + 1];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t change = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
            diagonal = row[j];
            row[j] = least(change, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_length];
}

const char *spelling_nearest(const char *word, const char *const words[], size_t count)
{
    size_t length = strlen(word), most = 2 + length / 3; /* one more than is a slip */
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t distance = spelling_distance(word, words[i]);
        if (length > 1 && strncmp(word, words[i], length) == 0)
            distance = 0;
        if (distance < most && 2 * distance < length) {
            most = distance;
            nearest = words[i];
        }
    }
    return nearest;
}

/* Which known word somebody meant. Pure. */
#ifndef CONFIG_SPELLING_H
#define CONFIG_SPELLING_H

#include <stddef.h>

/* Letters to put in, take out or change to make one word of the other; case does not count. */
size_t spelling_distance(const char *a, const char *b);
/* The one of these words that was meant: it begins so, or a few letters make it of the other; NULL:
 * none is near. */
const char *spelling_nearest(const char *word, const char *const words[], size_t count);

#endif

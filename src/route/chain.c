/* Chains in words (see chain.h). */
#include "route/chain.h"

enum { FIRST_SHOWN = 4, LAST_SHOWN = 3 };

void chain_format(const char *const *names, size_t count, struct buffer *text)
{
    for (size_t i = 0; i < count; i++) {
        if (i)
            buffer_append_text(text, " -> ");
        if (i == FIRST_SHOWN && count > FIRST_SHOWN + LAST_SHOWN + 1) {
            size_t left_out = count - FIRST_SHOWN - LAST_SHOWN;
            buffer_format(text, "(%zu more)", left_out);
            i += left_out - 1;
        } else {
            buffer_format(text, "%.40s", names[i]);
        }
    }
}

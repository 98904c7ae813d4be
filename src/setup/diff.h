/* What would change in a file, for a person: its lines with '-' and '+'. Pure. */
#ifndef SETUP_DIFF_H
#define SETUP_DIFF_H

#include <stdbool.h>

#include "base/buffer.h"

/* The lines that differ, with some about them, behind the buffer; nothing when none does. secret:
 * values are masked, and nothing stands about them. Clean for a terminal. */
void diff_put(const struct buffer *before, const struct buffer *after, bool secret,
              struct buffer *result);

#endif

/* "a -> b -> c": how one alias led to another, in words of bounded length. Pure. */
#ifndef ROUTE_CHAIN_H
#define ROUTE_CHAIN_H

#include <stddef.h>

#include "base/buffer.h"

/* Puts it behind the buffer; a long chain is shown by its ends. */
void chain_format(const char *const *names, size_t count, struct buffer *text);

#endif

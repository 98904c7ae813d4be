/* The members of a list in a file of its own (":include:/file"). */
#ifndef ROUTE_INCLUDE_H
#define ROUTE_INCLUDE_H

#include "base/buffer.h"
#include "base/outcome.h"
#include "base/text.h"
#include "config/settings.h"

/*
 * Adds the members, as written: addresses parted by line ends and commas; lines that begin with '#'
 * are comments. Gives the file an identity that is the same under all its names. A file that is
 * none, or that others than root, the present user and, by the installed settings, the queue's user
 * could have written, is refused. LATER (4.3.5); the words never quote the file, which may be
 * somebody's secret.
 */
struct outcome include_read(const struct settings *settings, const char *path,
                            struct texts *members, struct buffer *identity);

#endif

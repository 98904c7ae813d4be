/* Files that hold secrets: who may have them. */
#ifndef CONFIG_SECRET_H
#define CONFIG_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"

/*
 * Opens a file for reading. One that group or others can touch is refused, and so is one that
 * belongs neither to the present user nor to root: LATER (4.7.0, EX_NOPERM) with what to do about
 * it, or 4.3.5, for mail can wait until somebody has mended it.
 */
struct outcome secret_open(const char *path, int *fd);
/* The whole of such a file, of so many bytes at the most, into an empty buffer that is never moved
 * meanwhile; the caller wipes it. */
struct outcome secret_load(const char *path, size_t most, struct buffer *secret);
/*
 * Writes a file that only this user of the user table can read (NULL: the present one), in a folder
 * that is made for him if it is missing. On stable storage and whole under its name, or not there:
 * EX_CANTCREAT when another file has the name and replace is false.
 */
struct outcome secret_save(const char *path, const char *user, bool replace,
                           const struct buffer *secret);

#endif

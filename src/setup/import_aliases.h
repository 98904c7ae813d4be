/* Files of aliases that stay where they are and are read by ours from now on. */
#ifndef SETUP_IMPORT_ALIASES_H
#define SETUP_IMPORT_ALIASES_H

#include "setup/import_file.h"

/*
 * Takes the file at path as one of ours, and says what in it ours would not understand, or has off.
 * catch_all: the name that stands there for all others, which means nothing to ours; NULL: none.
 */
void aliases_take(struct importing *importing, size_t note, const char *path,
                  const char *catch_all);

#endif

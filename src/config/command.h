/*
 * A command as the words of its argv, without a shell: words are parted by spaces and tabs; a
 * part between double quotes keeps its spaces; within them, \" and \\ stand for " and \. No other
 * character means anything. The first word is an absolute path.
 */
#ifndef CONFIG_COMMAND_H
#define CONFIG_COMMAND_H

#include <stdbool.h>

#include "base/text.h"

/* False: *why says what is wrong, in static words; the list is then empty. */
bool command_split(const char *text, struct texts *words, const char **why);

#endif

/* The value of via in a [route]: a word, a word with an argument, or hosts. Pure. */
#ifndef CONFIG_VIA_H
#define CONFIG_VIA_H

#include <stdbool.h>

#include "config/settings.h"

/*
 * Fills in route->via and route->argument. True and VIA_HOSTS for everything that is not one of
 * the words: then the text is a list of hosts. False: *why says what is wrong, in static words.
 */
bool via_parse(const char *text, struct route *route, const char **why);

#endif

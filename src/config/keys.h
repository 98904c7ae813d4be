/*
 * The table of all settings: section, key, where it goes, its default, its range and the kind of
 * its value (values.h). Knows single keys; how they fit together is for settings.c.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outcome.h"
#include "config/values.h"

enum { KEYS_MOST = 128 };

extern const struct key keys[];
extern const size_t key_count;

/* The kind of section as the documents spell it; NULL: no key belongs to such a one. */
const char *keys_find_section(const char *section);
/* NULL: there is none. */
const struct key *keys_find(const char *section, const char *name);
/* The section or key that was most likely meant. */
const char *keys_nearest_section(const char *section);
const char *keys_nearest(const char *section, const char *name);
/* Checks the text and stores it. EX_CONFIG that says what would be right. */
struct outcome keys_set(const struct setting *setting, const char *text);

#endif

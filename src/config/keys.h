/*
 * The table of all settings: section, key, where it goes, its default and its range, and how its
 * text becomes a value. Knows single values; how they fit together is for settings.c.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "config/reader.h"

struct setting;

enum { KEYS_MOST = 128 };

struct key {
    /* "smarthost", "route" and "listen": offsets are into struct smarthost, route and listener,
     * else into struct settings */
    const char *section;
    const char *name;
    struct outcome (*set)(const struct setting *setting, const char *text);
    size_t offset;
    size_t count_offset; /* of the number of items, for lists that are no struct texts */
    const char *initial; /* the default, as it would stand in the file; NULL: settings.c has it */
    const char *low, *high;
    bool list;   /* may go on in indented lines */
    bool filled; /* may not be empty */
};

/* A value on its way. */
struct setting {
    const struct key *key;
    const struct entry *entry; /* for words about it */
    void *structure;           /* what the offset counts from */
    const char *folder;        /* relative paths begin here */
};

extern const struct key keys[];
extern const size_t key_count;

bool keys_has_section(const char *section);
/* NULL: there is none. */
const struct key *keys_find(const char *section, const char *name);
/* The section or key that was most likely meant. */
const char *keys_nearest_section(const char *section);
const char *keys_nearest(const char *section, const char *name);
/* "example.org", "*.example.org" or "*", in A-labels behind the buffer. False: *why says what is
 * wrong, in static words. */
bool keys_parse_domain(const char *text, struct buffer *pattern, const char **why);
/* Checks the text and stores it. EX_CONFIG that says what would be right. */
struct outcome keys_set(const struct setting *setting, const char *text);

#endif

/*
 * The sections of postrider.conf while they are read: each line goes to its place in struct
 * settings by the table in keys.c, and what was said is noted, so that the rest can get its
 * default.
 */
#ifndef CONFIG_SECTIONS_H
#define CONFIG_SECTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outcome.h"
#include "base/text.h"
#include "config/keys.h"
#include "config/reader.h"
#include "config/settings.h"

/* What was said, by the places of the keys in the table, and where the section begins. */
struct notes {
    bool seen[KEYS_MOST];
    unsigned line;
};

enum place { IN_SETTINGS, IN_SMARTHOST, IN_ROUTE, IN_LISTENER, IN_DKIM, PLACES };

struct loading {
    struct settings *settings;
    char *folder;                /* of the file; relative paths begin here */
    struct texts sections;       /* seen already, by their headings */
    struct notes notes;          /* about struct settings */
    struct notes *items[PLACES]; /* about each item of a kind */
    enum place place;            /* the section we are in */
    size_t index;                /* the item of its kind */
};

/* For struct reader: a section begins, a value stands in it. The context is a struct loading. */
struct outcome section_take(void *context, const struct entry *entry);
struct outcome section_take_value(void *context, const struct entry *entry);

/* Calls take for each item of a kind, with .place and .index set to it. */
void section_each(struct loading *loading, enum place place, void (*take)(struct loading *loading));
/* Of the place that we are in: what was said, the structure, and the defaults for what was not. */
struct notes *section_notes(struct loading *loading);
void *section_structure(struct loading *loading);
void section_fill_in(struct loading *loading);
bool section_said(const struct notes *notes, const char *section, const char *key);
void sections_free(struct loading *loading);

#endif

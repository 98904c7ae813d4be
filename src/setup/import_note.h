/*
 * What an import has found, while it is put together: notes about lines, and settings and secrets
 * that are checked with our own reader before they are taken. Knows no other program's ways.
 */
#ifndef SETUP_IMPORT_NOTE_H
#define SETUP_IMPORT_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "setup/import.h"

#define NOTE_NONE SIZE_MAX

/* A note about a line, or several that belong together; its text is made clean and cut. What nobody
 * says a word about is taken for left. */
size_t note_add(struct import *import, const char *file, unsigned line, unsigned last,
                const char *text);
/* Adds words to a note; it gets the worst mark of all that is said. NOTE_NONE: nothing is done. */
void note_say(struct import *import, size_t note, enum import_mark mark, const char *format, ...)
    FORMATTED(4, 5);
/* A note about a file, or about what the program does where it says nothing. */
void note_file(struct import *import, const char *file, enum import_mark mark, const char *format,
               ...) FORMATTED(4, 5);
bool note_has_words(const struct import *import, size_t note);
/* Whatever has no words yet, from this note on, gets these. */
void note_rest(struct import *import, size_t from, enum import_mark mark, const char *words);
/* Takes every secret of the import out of all notes. */
void note_hide_secrets(struct import *import);

/*
 * A setting, and the note of the line that said it (NOTE_NONE: of none, so that nothing is said of
 * it). Items are added to a list unless they are there; any other key has the newest value. False:
 * our settings do not allow it, and the note says so.
 */
bool take_setting(struct import *import, size_t note, const char *section, const char *name,
                  const char *key, const char *value);
/* A time, as short as it can be said: "5d"; the second one puts it behind the buffer. */
bool take_seconds(struct import *import, size_t note, const char *section, const char *key,
                  uint64_t seconds);
void put_seconds(struct buffer *text, uint64_t seconds);
/* Says that this setting is due to a further line. */
void take_credit(struct import *import, size_t note, const char *section, const char *name,
                 const char *key);
/* Whether the settings would allow it; else *why, which the caller frees. */
bool take_would(const char *section, const char *name, const char *key, const char *value,
                char **why);
/* The password of a smarthost. */
bool take_password(struct import *import, size_t note, const char *name, const char *password);
/* A line for the aliases file, "name: targets"; one that is there is not added again. */
bool take_alias(struct import *import, size_t note, const char *name, const char *targets);
/* Puts the sections into the order in which people expect them. */
void take_sort(struct import *import);
/* What was taken for a key; NULL: nothing. */
const char *taken_value(const struct import *import, const char *section, const char *name,
                        const char *key);
/* A name for a section that no [smarthost] has yet, after this one; the caller frees. */
char *take_name(const struct import *import, const char *wanted);

#endif

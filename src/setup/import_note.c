/*
 * See import_note.h. No note may hold a secret: callers mask lines that have one, and what slipped
 * through, such as a password that stands in a second place, is taken out at the end.
 */
#include "setup/import_note.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/terminal.h"

enum {
    TEXT_LONGEST = 120, /* bytes of a line that are shown */
    WORDS_LONGEST = 2000,
    SECRET_SHORTEST = 4 /* a shorter one cannot be told from other text */
};

static const char mask[] = "****";

/* Bytes of a clean text that can be shown: whole characters. */
static size_t cut_at(const char *text, size_t most)
{
    size_t length = strlen(text);
    if (length <= most)
        return length;
    while (most && ((unsigned char)text[most] & 0xC0) == 0x80)
        most--;
    return most;
}

static char *show(const char *text)
{
    char *clean = terminal_text(text);
    size_t length = cut_at(clean, TEXT_LONGEST);
    struct buffer shown = {0};
    buffer_append(&shown, clean, length);
    if (clean[length])
        buffer_append_text(&shown, "...");
    free(clean);
    return buffer_take(&shown);
}

size_t note_add(struct import *import, const char *file, unsigned line, unsigned last,
                const char *text)
{
    if (import->note_count == import->note_capacity) {
        import->note_capacity = import->note_capacity ? import->note_capacity * 2 : 32;
        import->notes = memory_resize(import->notes, import->note_capacity * sizeof *import->notes);
    }
    import->notes[import->note_count] = (struct import_note){.mark = IMPORT_SAME,
                                                             .file = terminal_text(file),
                                                             .line = line,
                                                             .last = last,
                                                             .text = show(text)};
    return import->note_count++;
}

/* Whether these very words are there, and not the beginning of others. */
static bool is_said(const char *all, const char *words)
{
    size_t length = strlen(words);
    for (const char *at = strstr(all, words); at; at = strstr(at + 1, words))
        if (!at[length] || strncmp(at + length, "; ", 2) == 0 ||
            strncmp(at + length, ", [", 3) == 0)
            return true;
    return false;
}

static const char *last_sentence(const char *words)
{
    const char *last = words;
    for (const char *at = strstr(words, "; "); at; at = strstr(last, "; "))
        last = at + 2;
    return last;
}

/* What is taken over is a list; anything else is a sentence of its own. */
static void say(struct import_note *note, enum import_mark mark, const char *words)
{
    static const char taken[] = "taken over as ";
    bool goes_on =
        text_starts(last_sentence(buffer_text(&note->words)), taken) && text_starts(words, taken);
    if (mark > note->mark)
        note->mark = mark;
    char *clean = terminal_text(goes_on ? words + strlen(taken) : words);
    if (note->words.length > WORDS_LONGEST || is_said(buffer_text(&note->words), clean)) {
        free(clean);
        return;
    }
    size_t length = cut_at(clean, WORDS_LONGEST);
    if (note->words.length)
        buffer_append_text(&note->words, goes_on ? ", " : "; ");
    buffer_append(&note->words, clean, length);
    if (clean[length])
        buffer_append_text(&note->words, "...");
    free(clean);
}

static void say_format(struct import_note *note, enum import_mark mark, const char *format,
                       va_list arguments)
{
    char *words = NULL;
    if (vasprintf(&words, format, arguments) < 0)
        impossible("a note that cannot be written");
    say(note, mark, words);
    free(words);
}

void note_say(struct import *import, size_t note, enum import_mark mark, const char *format, ...)
{
    if (note == NOTE_NONE)
        return;
    va_list arguments;
    va_start(arguments, format);
    say_format(&import->notes[note], mark, format, arguments);
    va_end(arguments);
}

void note_file(struct import *import, const char *file, enum import_mark mark, const char *format,
               ...)
{
    size_t note = note_add(import, file, 0, 0, "");
    va_list arguments;
    va_start(arguments, format);
    say_format(&import->notes[note], mark, format, arguments);
    va_end(arguments);
}

bool note_has_words(const struct import *import, size_t note)
{
    return note != NOTE_NONE && import->notes[note].words.length > 0;
}

void note_rest(struct import *import, size_t from, enum import_mark mark, const char *words)
{
    for (size_t i = from; i < import->note_count; i++)
        if (!note_has_words(import, i))
            note_say(import, i, mark, "%s", words);
}

/* The text without any of these secrets; NULL: it has none. */
static char *hide(const char *text, const struct import_values *secrets)
{
    struct buffer hidden = {0};
    bool any = false;
    while (*text) {
        size_t length = 0;
        for (size_t i = 0; i < secrets->count; i++) {
            const char *secret = secrets->items[i].value;
            size_t size = strlen(secret);
            if (size >= SECRET_SHORTEST && size > length && strncmp(text, secret, size) == 0)
                length = size;
        }
        any = any || length;
        if (length)
            buffer_append_text(&hidden, mask);
        else
            buffer_append_byte(&hidden, *text);
        text += length ? length : 1;
    }
    if (any)
        return buffer_take(&hidden);
    buffer_wipe(&hidden);
    return NULL;
}

void note_hide_secrets(struct import *import)
{
    for (size_t i = 0; i < import->note_count; i++) {
        struct import_note *note = &import->notes[i];
        char *text = hide(note->text, &import->credentials);
        char *words = hide(buffer_text(&note->words), &import->credentials);
        if (text) {
            memory_wipe(note->text, strlen(note->text));
            free(note->text);
            note->text = text;
        }
        if (words) {
            buffer_wipe(&note->words);
            buffer_append_text(&note->words, words);
            free(words);
        }
    }
}

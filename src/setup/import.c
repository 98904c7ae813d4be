/* See import.h: which programs there are, and what is left behind in the end. */
#include "setup/import.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/memory.h"
#include "setup/import_note.h"
#include "setup/import_programs.h"

static const struct {
    const char *name;
    void (*read)(struct importing *importing);
} programs[] = {
    {"msmtp", import_msmtp},           {"ssmtp", import_ssmtp},     {"dma", import_dma},
    {"nullmailer", import_nullmailer}, {"postfix", import_postfix}, {"exim", import_exim},
};

enum { PROGRAMS = sizeof programs / sizeof programs[0] };

const char *const *import_programs(void)
{
    static const char *names[PROGRAMS + 1];
    for (size_t i = 0; i < PROGRAMS; i++)
        names[i] = programs[i].name;
    return names;
}

struct outcome import_read(const char *program, const char *root, const char *home,
                           struct import *import)
{
    *import = (struct import){0};
    memory_wipe_freed(); /* files with passwords are read line by line */
    struct importing importing = {
        .import = import, .root = root, .home = home, .outcome = outcome_done()};
    for (size_t i = 0; i < PROGRAMS; i++) {
        if (strcmp(programs[i].name, program) != 0)
            continue;
        programs[i].read(&importing);
        note_rest(import, 0, IMPORT_LEFT,
                  "not taken over: nothing here knows what it means; look at postrider.conf(5) for "
                  "what it was there for");
        note_hide_secrets(import);
        take_sort(import);
        return importing.outcome;
    }
    struct buffer all = {0};
    for (size_t i = 0; i < PROGRAMS; i++)
        buffer_format(&all, "%s%s",
                      i == 0             ? ""
                      : i + 1 < PROGRAMS ? ", "
                                         : " or ",
                      programs[i].name);
    struct outcome outcome = outcome_refuse(EX_USAGE,
                                            "%.40s is no program whose settings can be "
                                            "read: it is %s",
                                            program, buffer_text(&all));
    buffer_free(&all);
    return outcome;
}

void import_format_note(const struct import_note *note, struct buffer *text)
{
    buffer_append_text(text, note->file);
    if (note->line)
        buffer_format(text, ":%u", note->line);
    if (note->last > note->line)
        buffer_format(text, "-%u", note->last);
    if (note->line)
        buffer_format(text, ": `%s`", note->text);
    buffer_format(text, ": %s", buffer_text(&note->words));
}

static void free_values(struct import_values *values)
{
    for (size_t i = 0; i < values->count; i++) {
        free(values->items[i].section);
        free(values->items[i].name);
        free(values->items[i].key);
        memory_wipe(values->items[i].value, strlen(values->items[i].value));
        free(values->items[i].value);
    }
    free(values->items);
}

void import_free(struct import *import)
{
    free_values(&import->settings);
    free_values(&import->credentials);
    texts_free(&import->aliases);
    for (size_t i = 0; i < import->note_count; i++) {
        free(import->notes[i].file);
        free(import->notes[i].text);
        buffer_free(&import->notes[i].words);
    }
    free(import->notes);
    *import = (struct import){0};
}

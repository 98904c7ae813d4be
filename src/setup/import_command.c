/* See import_command.h. The words of a shell that mean nothing but themselves, and no others. */
#include "setup/import_command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"

/* Splits a command as a shell would. False: it needs one. */
static bool split(const char *text, const char *home, struct texts *words)
{
    for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
        struct buffer word = {0};
        bool good = true;
        if (*text == '~' && (text[1] == '/' || !text[1])) {
            good = home != NULL;
            buffer_append_text(&word, home ? home : "");
            text++;
        }
        while (*text && !strchr(" \t", *text) && good) {
            char quote = *text == '"' || *text == '\'' ? *text : '\0';
            if (quote) {
                const char *end = strchr(text + 1, quote);
                if (!end) {
                    good = false;
                    break;
                }
                size_t length = (size_t)(end - text) - 1;
                good = quote == '\'' || strcspn(text + 1, "$`\\\"") == length;
                buffer_append(&word, text + 1, length);
                text = end + 1;
            } else {
                good = !strchr("$`\\|&;<>()*?[]#~!{}", *text);
                buffer_append_byte(&word, *text++);
            }
        }
        if (good)
            texts_add(words, buffer_text(&word));
        buffer_wipe(&word);
        if (!good)
            return false;
    }
    return words->count > 0;
}

/* The absolute path of a program below the root; NULL: it is in none of the usual folders. */
static char *find_program(const struct importing *importing, const char *name)
{
    static const char *const folders[] = {"/usr/local/bin", "/usr/bin", "/bin"};
    if (*name == '/')
        return memory_copy(name, strlen(name));
    for (size_t i = 0; i < 3 && !strchr(name, '/'); i++) {
        struct buffer path = {0}, below = {0};
        buffer_format(&path, "%s/%s", folders[i], name);
        buffer_format(&below, "%s%s", importing->root, buffer_text(&path));
        bool found = access(buffer_text(&below), X_OK) == 0;
        buffer_free(&below);
        if (found)
            return buffer_take(&path);
        buffer_free(&path);
    }
    return NULL;
}

/* A word as config/command.h reads it. */
static void quote(const char *word, struct buffer *text)
{
    if (*word && !strpbrk(word, " \t\"")) {
        buffer_append_text(text, word);
        return;
    }
    buffer_append_byte(text, '"');
    for (; *word; word++) {
        if (*word == '"' || *word == '\\')
            buffer_append_byte(text, '\\');
        buffer_append_byte(text, *word);
    }
    buffer_append_byte(text, '"');
}

static void take_file(struct importing *importing, size_t note, const char *path,
                      struct said *password)
{
    struct source source;
    if (source_open(importing, path, SOURCE_NAMED, &source) && source.length) {
        source.data[source.length] = '\0';
        source.data[strcspn(source.data, "\r\n")] = '\0';
        said_set(password, source.data, note);
        note_say(importing->import, note, IMPORT_TAKEN, "what the file holds now is taken");
    } else {
        note_say(importing->import, note, IMPORT_LEFT,
                 "not taken over: there is no password in the file; setup asks for it");
    }
    source_free(&source);
}

static void take_command(struct importing *importing, size_t note, const struct texts *words,
                         struct said *command)
{
    char *program = find_program(importing, words->items[0]), *why = NULL;
    struct buffer text = {0};
    if (program)
        quote(program, &text);
    for (size_t i = 1; i < words->count; i++) {
        buffer_append_byte(&text, ' ');
        quote(words->items[i], &text);
    }
    if (!program) {
        note_say(importing->import, note, IMPORT_LEFT,
                 "not taken over: its program is in no usual folder; set password_command, with "
                 "its whole path");
    } else if (!take_would("smarthost", "", "password_command", buffer_text(&text), &why)) {
        note_say(importing->import, note, IMPORT_LEFT,
                 "not taken over: a line of ours cannot hold this command; put it into a script "
                 "and set password_command to that");
    } else {
        said_set(command, buffer_text(&text), note);
        note_say(importing->import, note, IMPORT_OTHER,
                 "it runs as the queue's user, who must be able to, and without a shell");
    }
    free(why);
    free(program);
    buffer_wipe(&text);
}

void command_take_password(struct importing *importing, size_t note, const char *text,
                           struct said *password, struct said *command)
{
    struct texts words = {0};
    bool plain = split(text, importing->home, &words);
    const char *program = plain ? words.items[0] : "";
    const char *name = strrchr(program, '/') ? strrchr(program, '/') + 1 : program;
    if (!plain)
        note_say(importing->import, note, IMPORT_LEFT,
                 "not taken over: it needs a shell, and ours has none; put it into a script and "
                 "set password_command to that");
    else if (strcmp(name, "cat") == 0 && words.count == 2 && *words.items[1] == '/')
        take_file(importing, note, words.items[1], password);
    else if (strcmp(name, "echo") == 0 && words.count == 2 && *words.items[1] != '-')
        said_set(password, words.items[1], note);
    else if (strcmp(name, "echo") == 0 || strcmp(name, "printf") == 0)
        note_say(importing->import, note, IMPORT_LEFT,
                 "not taken over: the password stands in the command; setup asks for it");
    else
        take_command(importing, note, &words, command);
    for (size_t i = 0; i < words.count; i++)
        memory_wipe(words.items[i], strlen(words.items[i]));
    texts_free(&words);
}

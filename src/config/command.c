/* Splitting a command into words (see command.h for the rule). */
#include "config/command.h"

#include <string.h>

#include "base/buffer.h"

static bool fail(struct texts *words, const char **why, const char *what)
{
    texts_free(words);
    *why = what;
    return false;
}

/* From behind a quote: its content behind the word. Returns the closing quote or the end. */
static const char *take_quoted(const char *text, struct buffer *word)
{
    for (; *text && *text != '"'; text++) {
        if (*text == '\\' && (text[1] == '"' || text[1] == '\\'))
            text++;
        buffer_append_byte(word, *text);
    }
    return text;
}

bool command_split(const char *text, struct texts *words, const char **why)
{
    struct buffer word = {0};
    bool closed = true;
    for (text += strspn(text, " \t"); *text && closed; text += strspn(text, " \t")) {
        while (*text && *text != ' ' && *text != '\t' && closed) {
            if (*text != '"') {
                buffer_append_byte(&word, *text++);
                continue;
            }
            text = take_quoted(text + 1, &word);
            closed = *text == '"';
            text += closed;
        }
        texts_add(words, buffer_text(&word));
        buffer_clear(&word);
    }
    buffer_free(&word);
    if (!closed)
        return fail(words, why, "a quote that is not closed");
    if (words->count == 0)
        return fail(words, why, "no command");
    if (words->items[0][0] != '/')
        return fail(words, why, "the command is not an absolute path");
    return true;
}

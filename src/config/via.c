/* See via.h. */
#include "config/via.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const struct word {
    const char *word;
    enum via via;
    enum { NO_ARGUMENT, MAY_HAVE, MUST_HAVE } argument;
} words[] = {
    {"mx", VIA_MX, NO_ARGUMENT},           {"smarthost", VIA_SMARTHOST, MAY_HAVE},
    {"local", VIA_LOCAL, NO_ARGUMENT},     {"hold", VIA_HOLD, NO_ARGUMENT},
    {"discard", VIA_DISCARD, NO_ARGUMENT}, {"error", VIA_ERROR, MUST_HAVE},
};

static void set(struct route *route, enum via via, const char *argument)
{
    route->via = via;
    free(route->argument);
    route->argument = memory_copy(argument, strlen(argument));
}

bool via_parse(const char *text, struct route *route, const char **why)
{
    static const char socket[] = "lmtp:";
    if (text_starts(text, socket)) {
        *why = "lmtp: wants the absolute path of a socket";
        set(route, VIA_LMTP, text + strlen(socket));
        return route->argument[0] == '/';
    }
    size_t length = strcspn(text, " \t");
    const char *argument = text + length + strspn(text + length, " \t");
    for (const struct word *word = words; word < words + sizeof words / sizeof words[0]; word++) {
        if (strlen(word->word) != length || !text_starts(text, word->word))
            continue;
        *why = *argument ? "this word stands alone" : "error wants the words to refuse mail with";
        set(route, word->via, argument);
        return *argument ? word->argument != NO_ARGUMENT : word->argument != MUST_HAVE;
    }
    set(route, VIA_HOSTS, "");
    return true;
}

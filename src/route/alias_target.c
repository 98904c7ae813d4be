/* The targets of aliases (see alias_target.h). */
#include "route/alias_target.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"

static const char include[] = ":include:";

/* What a text means that is one quoted string from end to end; NULL when it is not. */
static char *unquote(const char *text)
{
    if (*text != '"')
        return NULL;
    struct buffer plain = {0};
    const char *c = text + 1;
    for (; *c && *c != '"'; c++) {
        if (*c == '\\' && c[1])
            c++;
        buffer_append_byte(&plain, *c);
    }
    if (*c == '"' && !c[1])
        return buffer_take(&plain);
    buffer_free(&plain);
    return NULL;
}

static char *copy_trimmed(const char *text)
{
    char *copy = memory_copy(text, strlen(text));
    const char *trimmed = text_trim(copy);
    char *result = memory_copy(trimmed, strlen(trimmed));
    free(copy);
    return result;
}

/* Takes what is no address. False: it is one. */
static bool take_special(const char *text, struct alias_target *target)
{
    if (*text == '/') {
        target->kind = ALIAS_FILE;
        target->text = copy_trimmed(text);
    } else if (*text == '|') {
        target->kind = ALIAS_COMMAND;
        target->text = copy_trimmed(text + 1);
        /* |"command arguments" is the same as "|command arguments". */
        char *inner = unquote(target->text);
        if (inner) {
            free(target->text);
            target->text = copy_trimmed(inner);
            free(inner);
        }
    } else if (text_starts(text, include)) {
        target->kind = ALIAS_INCLUDE;
        target->text = copy_trimmed(text + strlen(include));
    } else {
        return false;
    }
    return true;
}

static bool check_special(const struct alias_target *target, const char **why)
{
    if (target->kind == ALIAS_INCLUDE && *target->text != '/')
        *why = "the path behind :include: is not absolute";
    else if (target->kind == ALIAS_COMMAND && !*target->text)
        *why = "no command behind the '|'";
    else
        return true;
    return false;
}

bool alias_target_parse(const char *text, struct alias_target *target, const char **why)
{
    *target = (struct alias_target){0};
    char *plain = unquote(text);
    bool special = take_special(plain ? plain : text, target);
    free(plain);
    if (special) {
        if (check_special(target, why))
            return true;
        alias_target_free(target);
        return false;
    }
    target->kind = ALIAS_ADDRESS;
    target->final = *text == '\\';
    if (!address_parse(text + target->final, &target->address, why)) {
        if (strstr(text, " #"))
            *why = "a comment needs a line of its own";
        return false;
    }
    if (!address_is_null(&target->address))
        return true;
    *why = "empty address";
    return false;
}

void alias_target_free(struct alias_target *target)
{
    address_free(&target->address);
    free(target->text);
    *target = (struct alias_target){0};
}

/* The caller's names from the user table. Believes the kernel's real user id, not LOGNAME. */
#include "sendmail/caller.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"

/* The first entry of the gecos field, where '&' stands for the login name with a capital. */
static char *parse_gecos(const char *gecos, const char *user)
{
    struct buffer name = {0};
    for (; *gecos && *gecos != ','; gecos++) {
        if (*gecos != '&') {
            buffer_append_byte(&name, *gecos);
            continue;
        }
        char first = user[0];
        buffer_append_byte(&name, first >= 'a' && first <= 'z' ? (char)(first - 'a' + 'A') : first);
        buffer_append_text(&name, user[0] ? user + 1 : "");
    }
    return buffer_take(&name);
}

void caller_find(struct caller *caller)
{
    *caller = (struct caller){.uid = getuid()};
    const struct passwd *entry = getpwuid(caller->uid);
    if (entry && entry->pw_name && entry->pw_name[0]) {
        caller->user = memory_copy(entry->pw_name, strlen(entry->pw_name));
        caller->name = memory_copy(entry->pw_name, strlen(entry->pw_name));
        if (entry->pw_gecos)
            caller->full_name = parse_gecos(entry->pw_gecos, caller->user);
    } else {
        struct buffer number = {0};
        buffer_format(&number, "uid-%lu", (unsigned long)caller->uid);
        caller->name = buffer_take(&number);
    }
    const char *chosen = getenv("NAME");
    if (chosen && *chosen) {
        free(caller->full_name);
        caller->full_name = memory_copy(chosen, strlen(chosen));
    }
    if (caller->full_name)
        text_clean(caller->full_name);
    if (caller->full_name && !*caller->full_name) {
        free(caller->full_name);
        caller->full_name = NULL;
    }
}

void caller_free(struct caller *caller)
{
    free(caller->user);
    free(caller->name);
    free(caller->full_name);
    *caller = (struct caller){0};
}

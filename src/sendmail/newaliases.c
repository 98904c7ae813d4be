/*
 * newaliases, with the caller's own rights: the group that the program was given is for the queue,
 * and must help nobody to read an included file or to write beside one.
 */
#include "sendmail/newaliases.h"

#include <stdio.h>
#include <string.h>

#include "base/privilege.h"
#include "route/aliases.h"

/* The first failure's status, and the words of all as far as they fit. */
static void add_failure(struct outcome *all, const struct outcome *one)
{
    if (outcome_good(all)) {
        *all = *one;
        return;
    }
    size_t used = strlen(all->reason);
    snprintf(all->reason + used, sizeof all->reason - used, "; %s", one->reason);
}

struct outcome newaliases_run(const struct office *office)
{
    struct outcome all = privilege_drop_group();
    if (!outcome_good(&all))
        return all;
    const struct texts *files = &office->settings.aliases;
    for (size_t i = 0; i < files->count; i++) {
        size_t count;
        struct outcome one = aliases_build(files->items[i], &count);
        if (outcome_good(&one))
            printf("%s: %zu alias%s\n", files->items[i], count, count == 1 ? "" : "es");
        else
            add_failure(&all, &one);
    }
    return all;
}

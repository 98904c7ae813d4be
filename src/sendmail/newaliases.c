/*
 * newaliases, with the caller's own rights: the group that the program was given is for the queue,
 * and must help nobody to read an included file or to write beside one.
 */
#include "sendmail/newaliases.h"

#include <stdio.h>

#include "base/privilege.h"
#include "route/aliases.h"

struct outcome newaliases_run(const struct office *office,
                              void (*report)(const struct outcome *failure))
{
    struct outcome last = privilege_drop_group();
    if (!outcome_good(&last))
        return last;
    const struct texts *files = &office->settings.aliases;
    for (size_t i = 0; i < files->count; i++) {
        size_t count;
        struct texts warnings = {0};
        struct outcome outcome =
            aliases_build(files->items[i], &office->settings, &count, &warnings);
        for (size_t k = 0; k < warnings.count; k++)
            fprintf(stderr, "newaliases: %s\n", warnings.items[k]);
        texts_free(&warnings);
        if (outcome_good(&outcome)) {
            printf("%s: %zu alias%s\n", files->items[i], count, count == 1 ? "" : "es");
            continue;
        }
        if (!outcome_good(&last))
            report(&last);
        last = outcome;
    }
    return last;
}

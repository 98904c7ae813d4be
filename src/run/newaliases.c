/* See newaliases.h. What each file was made into stands on standard output. */
#include "run/newaliases.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/bar.h"
#include "base/terminal.h"
#include "config/settings.h"
#include "route/aliases.h"

static void say(const struct outcome *failure)
{
    fprintf(stderr, "newaliases: %s\n", failure->reason);
}

static struct outcome build(const char *file, const struct settings *settings)
{
    size_t count;
    struct texts warnings = {0};
    struct bar bar = {0};
    struct outcome outcome =
        aliases_build(file, settings, terminal_is_there() ? &bar : NULL, &count, &warnings);
    for (size_t i = 0; i < warnings.count; i++)
        fprintf(stderr, "newaliases: %s\n", warnings.items[i]);
    if (outcome_good(&outcome))
        printf("%s: %zu alias%s\n", file, count, count == 1 ? "" : "es");
    else
        say(&outcome);
    texts_free(&warnings);
    return outcome;
}

struct outcome newaliases_run(int argc, char *const argv[])
{
    struct settings settings = {0};
    bool chosen = argc == 3 && strcmp(argv[1], "-C") == 0;
    if (argc != 1 && !chosen)
        return outcome_refuse(EX_USAGE, "newaliases takes -C FILE alone");
    struct outcome outcome = settings_load(chosen ? argv[2] : NULL, &settings);
    if (!outcome_good(&outcome))
        say(&outcome);
    struct outcome last = outcome;
    for (size_t i = 0; outcome_good(&outcome) && i < settings.aliases.count; i++) {
        struct outcome built = build(settings.aliases.items[i], &settings);
        if (!outcome_good(&built))
            last = built;
    }
    settings_free(&settings);
    last.reason[0] = '\0'; /* all was said */
    return last;
}

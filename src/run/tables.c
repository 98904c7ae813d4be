/* See tables.h. A file has changed when another one stands in its place, or its times have moved.
 */
#include "run/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/paths.h"
#include "route/user_table.h"

static struct outcome find_user(void *context, const char *name, char **canonical)
{
    const struct run *run = context;
    return user_table_find(name, run->config != NULL, canonical);
}

/* ---- how files look ---- */

static void look_at(const char *path, struct buffer *looks)
{
    struct stat status = {0};
    (void)stat(path, &status);
    buffer_format(looks, "%llu:%llu:%lld.%09ld:%lld.%09ld ", (unsigned long long)status.st_dev,
                  (unsigned long long)status.st_ino, (long long)status.st_mtim.tv_sec,
                  status.st_mtim.tv_nsec, (long long)status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

static void look_at_settings(const struct run *run, struct buffer *looks)
{
    look_at(run->config ? run->config : POSTRIDER_CONFIG, looks);
}

static void look_at_aliases(const struct run *run, struct buffer *looks)
{
    struct buffer database = {0};
    for (size_t i = 0; i < run->settings.aliases.count; i++) {
        look_at(run->settings.aliases.items[i], looks);
        buffer_clear(&database);
        buffer_format(&database, "%s.db", run->settings.aliases.items[i]);
        look_at(buffer_text(&database), looks);
    }
    buffer_free(&database);
}

/* Whether they look different now; that is how they are known from now on. */
static bool has_changed(const struct run *run, struct buffer *known,
                        void (*look)(const struct run *run, struct buffer *looks))
{
    struct buffer now = {0};
    look(run, &now);
    bool changed = strcmp(buffer_text(&now), buffer_text(known)) != 0;
    buffer_free(known);
    *known = now;
    return changed;
}

/* ---- opening ---- */

/* A next hop that failed by other settings need not be left alone any more. */
static time_t when_changed(const struct settings *settings)
{
    char *credentials = settings_credentials_path(settings);
    struct stat status;
    time_t changed = stat(settings_file(settings), &status) == 0 ? status.st_ctime : 0;
    if (stat(credentials, &status) == 0 && status.st_ctime > changed)
        changed = status.st_ctime;
    free(credentials);
    return changed <= clock_now() ? changed : 0; /* by a clock that has been put back since */
}

/* Their looks are taken first: what changes while they are opened is seen the next time. */
static void open_aliases(struct run *run)
{
    (void)has_changed(run, &run->aliases_known, look_at_aliases);
    run->aliases_problem = aliases_open(&run->settings.aliases, &run->aliases);
    if (!outcome_good(&run->aliases_problem))
        log_error("%s", run->aliases_problem.reason);
    run->expander = (struct expander){.settings = &run->settings,
                                      .aliases = run->aliases,
                                      .find_user = find_user,
                                      .context = run};
}

struct outcome tables_open(struct run *run)
{
    (void)has_changed(run, &run->settings_known, look_at_settings);
    struct outcome outcome = settings_load(run->config, &run->settings);
    if (!outcome_good(&outcome))
        return outcome;
    run->changed = when_changed(&run->settings);
    open_aliases(run);
    return outcome;
}

/* ---- later ---- */

/* Somebody may be in the middle of an edit: what cannot be read is no reason to stop. */
static bool can_be_read(const struct run *run)
{
    struct settings settings = {0};
    struct outcome outcome = settings_load(run->config, &settings);
    if (!outcome_good(&outcome))
        log_error("the settings have changed, and are not used: %s", outcome.reason);
    settings_free(&settings);
    return outcome_good(&outcome);
}

bool tables_refresh(struct run *run)
{
    if (has_changed(run, &run->aliases_known, look_at_aliases)) {
        aliases_close(run->aliases);
        open_aliases(run);
    }
    return has_changed(run, &run->settings_known, look_at_settings) && can_be_read(run);
}

void tables_close(struct run *run)
{
    aliases_close(run->aliases);
    buffer_free(&run->aliases_known);
    buffer_free(&run->settings_known);
    settings_free(&run->settings);
}

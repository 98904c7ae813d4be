/* See confine.h. */
#include "listen/confine.h"

#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/landlock.h"
#include "base/log.h"
#include "base/privilege.h"
#include "base/sandbox.h"
#include "config/filtering.h"
#include "queue/queue.h"

/*
 * Files, not their folders: passwords are in the folder of the settings. What takes a file's place
 * later is for later sessions.
 */
static void add_alias_file(struct texts *readable, const char *path)
{
    struct buffer database = {0};
    texts_add(readable, path);
    buffer_format(&database, "%s.db", path);
    texts_add(readable, buffer_text(&database));
    buffer_free(&database);
}

static struct outcome confine(const struct settings *settings,
                              struct outcome (*how)(const struct sandbox *sandbox))
{
    struct texts readable = {0}, writable = {0}, own = {0};
    struct buffer folder = {0};
    for (size_t i = 0; i < settings->aliases.count; i++)
        add_alias_file(&readable, settings->aliases.items[i]);
    sandbox_add_system(&readable); /* who is a user here is asked of it */
    buffer_format(&folder, "%s/spool", settings->queue_directory);
    texts_add(&writable, buffer_text(&folder));
    buffer_clear(&folder);
    queue_filter_folder(settings->queue_directory, &folder);
    if (filtering_shares(&settings->filter))
        texts_add(&own, buffer_text(&folder));
    const struct sandbox sandbox = {.readable = &readable,
                                    .writable = &writable,
                                    .own = &own,
                                    .local_sockets = true,
                                    .internet = filtering_needs_internet(&settings->filter)};
    struct outcome outcome = how(&sandbox);
    texts_free(&readable);
    texts_free(&writable);
    texts_free(&own);
    buffer_free(&folder);
    return outcome;
}

struct outcome confine_check(void)
{
    if (geteuid() != 0)
        return outcome_done();
    if (landlock_version() == 0)
        return outcome_refuse(EX_NOPERM,
                              "this kernel has no Landlock, without which root's files would be "
                              "open to whoever breaks a session: take mail in as another user");
    log_notice("mail is taken in as root with settings of one's own: that is for trials only");
    return outcome_done();
}

struct outcome confine_prepare(const struct settings *settings)
{
    return confine(settings, sandbox_prepare);
}

struct outcome confine_session(const struct settings *settings)
{
    struct outcome outcome = privilege_drop_capabilities();
    return outcome_good(&outcome) ? confine(settings, sandbox_enter) : outcome;
}

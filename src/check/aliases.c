/* See aliases.h. What newaliases would say, and then each alias followed to its end. */
#include "check/aliases.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "check/rights.h"
#include "config/paths.h"
#include "route/aliases.h"
#include "route/expand.h"
#include "route/user_table.h"

static const char topic[] = "aliases";

enum { MOST_SAID = 10, LIMIT_MS = 3000 /* for following all of them */ };

static struct outcome find_user(void *context, const char *name, char **canonical)
{
    const bool *own = context;
    return user_table_find(name, *own, canonical);
}

/* ---- the files ---- */

static void say_fault(const char *reason, bool partial, struct findings *findings)
{
    const bool hidden = partial && strstr(reason, strerror(EACCES));
    finding_add(findings, hidden ? FINDING_HINT : FINDING_FAULT, topic, "%s", reason);
    if (!hidden)
        finding_remedy(findings, "mend that, then newaliases");
}

static void say_warnings(const struct texts *warnings, struct findings *findings)
{
    for (size_t i = 0; i < warnings->count && i < MOST_SAID; i++)
        finding_add(findings, FINDING_WARNING, topic, "%s", warnings->items[i]);
    if (warnings->count > MOST_SAID)
        finding_add(findings, FINDING_WARNING, topic, "and %zu more of these",
                    warnings->count - MOST_SAID);
}

static void check_file(const char *path, const struct settings *settings, bool partial,
                       struct texts *keys, struct findings *findings)
{
    struct texts warnings = {0};
    const char *why;
    const size_t before = keys->count;
    if (access(path, F_OK) < 0 && errno == ENOENT) {
        finding_add(findings, FINDING_HINT, topic, "there is no file %s", path);
        return;
    }
    struct outcome outcome = aliases_check(path, settings, keys, &warnings, &why);
    const size_t count = keys->count - before;
    if (!outcome_good(&outcome))
        say_fault(outcome.reason, partial, findings);
    else
        finding_add(findings, FINDING_GOOD, topic, "%s has %zu alias%s, and all can be read", path,
                    count, count == 1 ? "" : "es");
    say_warnings(&warnings, findings);
    if (why) {
        finding_add(findings, FINDING_WARNING, topic,
                    "%s.db is not used, as %s: the text is read instead, each time", path, why);
        finding_remedy(findings, "newaliases");
    }
    texts_free(&warnings);
}

/* As postrider-local looks at him when a file is to be written or a command to be run. */
static void check_user(const char *key, const char *name, bool own, struct findings *findings)
{
    const char *why = NULL;
    if (!*name)
        return;
    const struct passwd *queue = own ? NULL : getpwnam(POSTRIDER_USER);
    const bool is_installed = queue != NULL;
    const uid_t queue_uid = is_installed ? queue->pw_uid : 0;
    const gid_t queue_gid = is_installed ? queue->pw_gid : 0;
    const struct passwd *user = getpwnam(name); /* in the place of the one before */
    if (!user)
        why = "there is no such user";
    else if (user->pw_uid == 0 || user->pw_gid == 0)
        why = "he has root's rights, which no alias may use";
    else if (is_installed && (user->pw_uid == queue_uid || user->pw_gid == queue_gid))
        why = "he has the rights of the queue, which no alias may use";
    else if (own && user->pw_uid != getuid())
        why = "in settings of one's own only oneself can be named";
    if (!why)
        return;
    finding_add(findings, FINDING_FAULT, topic, "%s names %s, and %s: mail for such aliases waits",
                key, name, why);
    finding_remedy(findings, "in [mail]: %s = nobody, or another user without rights", key);
}

/* ---- where they lead ---- */

/* "ada, you@example.net", at most a few of them. */
static void describe(const struct targets *targets, struct buffer *words)
{
    for (size_t i = 0; i < targets->count && i < MOST_SAID; i++) {
        const struct target *target = &targets->items[i];
        char *address = address_text(&target->address);
        buffer_format(words, "%s%s", i ? ", " : "",
                      target->kind == TARGET_FILE      ? "a file"
                      : target->kind == TARGET_COMMAND ? "a command"
                                                       : address);
        free(address);
    }
    if (targets->count > MOST_SAID)
        buffer_append_text(words, " and others");
}

static const struct target *find_error(const struct targets *targets)
{
    for (size_t i = 0; i < targets->count; i++)
        if (targets->items[i].kind == TARGET_ERROR)
            return &targets->items[i];
    return NULL;
}

static bool ends_with_root(const struct targets *targets)
{
    for (size_t i = 0; i < targets->count; i++)
        if (targets->items[i].kind == TARGET_MAILBOX &&
            strcmp(targets->items[i].address.local, "root") == 0)
            return true;
    return false;
}

static void say_root(const struct settings *settings, struct findings *findings)
{
    const char *file = settings->aliases.count ? settings->aliases.items[0] : NULL;
    finding_add(findings, FINDING_WARNING, topic,
                "no alias says who reads root's mail, and postmaster's: it stays in %s/root",
                settings->mailbox_directory);
    char *word = file ? shell_word(file) : NULL;
    if (word)
        finding_remedy(findings, "echo 'root: you@example.net' >> %s && newaliases", word);
    else
        finding_remedy(findings, "name a file in aliases of [mail]");
    free(word);
}

/* Another mail program's is root's own, and postrider has no rights over it (SECURITY.md). */
static void check_roots_mailbox(const struct settings *settings, struct findings *findings)
{
    const struct passwd *user = getpwnam(POSTRIDER_USER);
    struct buffer path = {0};
    struct stat status;
    buffer_format(&path, "%s/root", settings->mailbox_directory);
    char *word = shell_word(buffer_text(&path));
    bool there = user && lstat(buffer_text(&path), &status) == 0;
    /* The helper takes over one that it has made itself and did not come to give away. */
    bool half_made =
        there && status.st_uid == 0 && status.st_size == 0 && (status.st_mode & 07777) == 0600;
    if (there && status.st_uid != user->pw_uid && !half_made) {
        finding_add(findings, FINDING_FAULT, topic,
                    "%s, where root's mail goes, is not %s's: it waits", buffer_text(&path),
                    POSTRIDER_USER);
        finding_remedy(findings, "chown %s %s", POSTRIDER_USER, word);
    }
    free(word);
    buffer_free(&path);
}

/* Somebody has to read what is for those two. */
static void check_name(const struct expander *expander, const char *name, bool *has_root,
                       struct findings *findings)
{
    struct address address = {(char *)(uintptr_t)name, NULL};
    struct targets targets = {0};
    struct buffer words = {0};
    expand(expander, &address, &targets);
    const struct target *error = find_error(&targets);
    describe(&targets, &words);
    if (error) {
        finding_add(findings, FINDING_FAULT, topic, "mail for %s goes nowhere: %s", name,
                    error->outcome.reason);
        finding_remedy(findings, "mend the alias, then newaliases");
    } else if (ends_with_root(&targets)) {
        *has_root = true;
    } else {
        finding_add(findings, FINDING_GOOD, topic, "%s's mail is read by %s", name,
                    buffer_text(&words));
    }
    buffer_free(&words);
    targets_free(&targets);
}

/* Adds a finding if it ends at nobody; what the file checks have found is not said again. */
static bool leads_nowhere(const struct expander *expander, const char *key,
                          struct findings *findings)
{
    const char *at = strrchr(key, '@');
    struct address address = {memory_copy(key, at ? (size_t)(at - key) : strlen(key)),
                              at ? memory_copy(at + 1, strlen(at + 1)) : NULL};
    struct targets targets = {0};
    if (*address.local)
        expand(expander, &address, &targets);
    const struct target *error = find_error(&targets);
    const bool nowhere = error && strcmp(error->outcome.status, "5.1.1") == 0;
    if (nowhere) {
        finding_add(findings, FINDING_WARNING, topic, "mail for the alias %s comes back: %s", key,
                    error->outcome.reason);
        finding_remedy(findings, "mend the alias, then newaliases");
    }
    targets_free(&targets);
    address_free(&address);
    return nowhere;
}

static void check_keys(const struct expander *expander, const struct texts *keys,
                       struct findings *findings)
{
    const int64_t end = clock_ms() + LIMIT_MS;
    size_t said = 0;
    for (size_t i = 0; i < keys->count && said < MOST_SAID && clock_ms() < end; i++)
        if (strcmp(keys->items[i], "root") != 0 && strcmp(keys->items[i], "postmaster") != 0)
            said += leads_nowhere(expander, keys->items[i], findings);
}

static void follow(const struct settings *settings, bool own, const struct texts *keys,
                   struct findings *findings)
{
    struct aliases *aliases;
    const struct outcome outcome = aliases_open(&settings->aliases, &aliases);
    if (!outcome_good(&outcome))
        return; /* a file is to blame, which has been told */
    const struct expander expander = {
        .settings = settings, .aliases = aliases, .find_user = find_user, .context = &own};
    bool has_root = false;
    if (!own) {
        check_name(&expander, "root", &has_root, findings);
        check_name(&expander, "postmaster", &has_root, findings);
    }
    if (has_root) {
        say_root(settings, findings);
        check_roots_mailbox(settings, findings);
    }
    check_keys(&expander, keys, findings);
    aliases_close(aliases);
}

void check_aliases(const struct settings *settings, bool own, bool partial,
                   struct findings *findings)
{
    struct texts keys = {0};
    for (size_t i = 0; i < settings->aliases.count; i++)
        check_file(settings->aliases.items[i], settings, partial, &keys, findings);
    check_user("alias_files", settings->alias_files, own, findings);
    check_user("alias_commands", settings->alias_commands, own, findings);
    follow(settings, own, &keys, findings);
    texts_free(&keys);
}

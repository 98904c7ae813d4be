/*
 * From a file to struct settings: what its sections say, the defaults for what they do not, and
 * whether all of it fits together. What single values may be is not known here.
 */
#include "config/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/dkim.h"
#include "config/filtering.h"
#include "config/identity.h"
#include "config/listener.h"
#include "config/paths.h"
#include "config/reader.h"
#include "config/sections.h"
#include "config/smarthost.h"

enum { PORT_SUBMISSION = 587, PORT_SUBMISSIONS = 465 }; /* RFC 6409, RFC 8314 */

/* Two strings with a slash between them; the caller frees. */
static char *join(const char *folder, const char *name)
{
    struct buffer path = {0};
    buffer_format(&path, "%s/%s", folder, name);
    return buffer_take(&path);
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return memory_copy(".", 1);
    return memory_copy(path, slash == path ? 1 : (size_t)(slash - path));
}

/* Where a user's own queue is, by the XDG base directory specification. NULL: nobody knows. */
static char *user_queue(void)
{
    const char *state = getenv("XDG_STATE_HOME");
    if (state && *state == '/')
        return join(state, "postrider");
    const char *home = getenv("HOME");
    struct passwd *user = home && *home == '/' ? NULL : getpwuid(getuid());
    if (user)
        home = user->pw_dir;
    return home && *home == '/' ? join(home, ".local/state/postrider") : NULL;
}

/* The defaults that depend on this machine or on other settings. */
static struct outcome fill_in_machine(struct settings *settings, bool installed, bool seen_domains)
{
    if (!settings->hostname)
        settings->hostname = identity_hostname();
    if (!settings->domain)
        settings->domain = identity_mailname();
    if (!settings->domain)
        settings->domain = memory_copy(settings->hostname, strlen(settings->hostname));
    if (!seen_domains) {
        texts_add(&settings->local_domains, "localhost");
        texts_add(&settings->local_domains, settings->hostname);
    }
    if (!settings->queue_directory)
        settings->queue_directory =
            installed ? memory_copy(POSTRIDER_SPOOL, strlen(POSTRIDER_SPOOL)) : user_queue();
    if (!settings->queue_directory)
        return outcome_refuse(EX_CONFIG,
                              "%s: no home folder for the queue: add \"directory = ...\" to "
                              "[queue]",
                              settings->path);
    if (settings->retry_count == 0)
        return outcome_refuse(EX_CONFIG, "%s: retry in [queue] may not be empty", settings->path);
    return outcome_done();
}

static void fill_in_smarthost(struct loading *loading)
{
    section_fill_in(loading);
    struct smarthost *smarthost = section_structure(loading);
    if (!section_said(section_notes(loading), "smarthost", "port"))
        smarthost->port = smarthost->tls == TLS_IMPLICIT ? PORT_SUBMISSIONS : PORT_SUBMISSION;
}

/* Few MX hosts have a certificate that anybody could check, so TLS there is what can be had. */
static void fill_in_route(struct loading *loading)
{
    section_fill_in(loading);
    struct route *route = section_structure(loading);
    if (route->via == VIA_MX && !section_said(section_notes(loading), "route", "tls"))
        route->to.tls = TLS_OPPORTUNISTIC;
    if (!route->argument)
        route->argument = memory_copy("", 0);
}

/* As postrider dkim-key makes it. */
static void fill_in_dkim(struct loading *loading)
{
    section_fill_in(loading);
    struct dkim *dkim = section_structure(loading);
    if (!section_said(section_notes(loading), "dkim", "key")) {
        char *path = settings_key_path(loading->settings, dkim->domain);
        texts_add(&dkim->keys, path);
        free(path);
    }
}

static struct outcome check_route(const struct loading *loading, size_t index,
                                  const struct entry *place)
{
    const struct settings *settings = loading->settings;
    const struct route *route = &settings->routes[index];
    if (!section_said(&loading->items[IN_ROUTE][index], "route", "via"))
        return reader_fault(place, "[route \"%s\"] says not where to: add \"via = ...\"",
                            route->pattern);
    if (route->via == VIA_SMARTHOST && *route->argument &&
        !settings_smarthost(settings, route->argument))
        return reader_fault(place, "[route \"%s\"]: there is no [smarthost \"%.100s\"]",
                            route->pattern, route->argument);
    return outcome_done();
}

/* How the parts fit together. */
static struct outcome check(const struct loading *loading, const char *shown)
{
    const struct settings *settings = loading->settings;
    struct entry place = {.path = shown};
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < settings->smarthost_count && outcome_good(&outcome); i++) {
        place.line = loading->items[IN_SMARTHOST][i].line;
        outcome = smarthost_check(&settings->smarthosts[i], &place);
    }
    if (outcome_good(&outcome))
        outcome = smarthost_check_senders(settings, &place);
    for (size_t i = 0; i < settings->route_count && outcome_good(&outcome); i++) {
        place.line = loading->items[IN_ROUTE][i].line;
        outcome = check_route(loading, i, &place);
    }
    for (size_t i = 0; i < settings->listener_count && outcome_good(&outcome); i++) {
        place.line = loading->items[IN_LISTENER][i].line;
        outcome = listener_check(&settings->listeners[i], &place);
    }
    for (size_t i = 0; i < settings->dkim_count && outcome_good(&outcome); i++) {
        place.line = loading->items[IN_DKIM][i].line;
        outcome = dkim_check(&settings->dkims[i], &place);
    }
    if (outcome_good(&outcome))
        outcome = filtering_check(&settings->filter, shown);
    return outcome;
}

/* Everything that can only be said when the whole file has been read. */
static struct outcome complete(struct loading *loading, bool installed, const char *shown)
{
    loading->place = IN_SETTINGS;
    section_fill_in(loading);
    section_each(loading, IN_SMARTHOST, fill_in_smarthost);
    section_each(loading, IN_ROUTE, fill_in_route);
    section_each(loading, IN_LISTENER, section_fill_in);
    section_each(loading, IN_DKIM, fill_in_dkim);
    struct outcome outcome = fill_in_machine(
        loading->settings, installed, section_said(&loading->notes, "mail", "local_domains"));
    return outcome_good(&outcome) ? check(loading, shown) : outcome;
}

/* With root's rights nobody's settings are taken but root's: they name programs that are run, and
 * files that are written. */
static struct outcome check_owner(int fd, const char *path)
{
    struct stat info;
    if (geteuid() != 0)
        return outcome_done();
    if (fstat(fd, &info) < 0)
        return outcome_errno(errno, "cannot look at the settings %s", path);
    if (info.st_uid == 0)
        return outcome_done();
    return outcome_refuse(EX_NOPERM, "%s is not root's: do that as its owner, by sudo -u", path);
}

/* Opens the file; *fd is -1 with a good outcome when it need not be there and is not. */
static struct outcome open_file(const char *path, bool installed, int *fd)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (*fd >= 0)
        return installed ? outcome_done() : check_owner(*fd, path);
    if (errno == ENOENT && installed)
        return outcome_done();
    struct outcome outcome = outcome_errno(errno, "cannot read the settings %s", path);
    outcome.exit_status = errno == EACCES || errno == EPERM ? EX_NOPERM : EX_CONFIG;
    return outcome;
}

/* A path that stays good when the program changes its folder; the caller frees. */
static char *absolute(const char *path)
{
    char *here = *path == '/' ? NULL : getcwd(NULL, 0);
    char *whole = here ? join(here, path) : memory_copy(path, strlen(path));
    free(here);
    return whole;
}

/* fd: -1 when there is no file. */
static struct outcome load(int fd, const char *whole, const char *shown, struct settings *settings)
{
    static const struct reader callbacks = {
        .section = section_take,
        .value = section_take_value,
        .too_long = ": go on in an indented line if it is a list, else make it shorter",
    };
    struct loading loading = {.settings = settings, .folder = folder_of(whole)};
    struct reader reader = callbacks;
    reader.context = &loading;
    struct outcome outcome = outcome_done();
    settings->path = fd >= 0 ? memory_copy(whole, strlen(whole)) : memory_copy("", 0);
    if (fd >= 0)
        outcome = reader_read(&reader, fd, shown);
    if (outcome_good(&outcome))
        outcome = complete(&loading, strcmp(whole, POSTRIDER_CONFIG) == 0, shown);
    free(loading.folder);
    sections_free(&loading);
    return outcome;
}

struct outcome settings_load(const char *path, struct settings *settings)
{
    *settings = (struct settings){0};
    const char *shown = path ? path : POSTRIDER_CONFIG;
    char *whole = absolute(shown);
    int fd;
    struct outcome outcome = open_file(whole, !path, &fd);
    if (outcome_good(&outcome))
        outcome = load(fd, whole, shown, settings);
    else
        settings->path = memory_copy("", 0);
    file_close(&fd);
    free(whole);
    return outcome;
}

struct outcome settings_read(int fd, const char *path, struct settings *settings)
{
    *settings = (struct settings){0};
    char *whole = absolute(path);
    struct outcome outcome = load(fd, whole, path, settings);
    free(whole);
    return outcome;
}

static void free_smarthost(struct smarthost *smarthost)
{
    free(smarthost->name);
    texts_free(&smarthost->senders);
    texts_free(&smarthost->hosts);
    free(smarthost->tls_trust);
    free(smarthost->tls_fingerprint);
    free(smarthost->tls_certificate);
    free(smarthost->tls_key);
    free(smarthost->user);
    free(smarthost->password_command);
}

static void free_route(struct route *route)
{
    free(route->pattern);
    free(route->argument);
    free_smarthost(&route->to);
    free(route->retry);
}

void settings_free(struct settings *settings)
{
    for (size_t i = 0; i < settings->route_count; i++)
        free_route(&settings->routes[i]);
    free(settings->routes);
    texts_free(&settings->masquerade);
    free(settings->alias_files);
    free(settings->alias_commands);
    for (size_t i = 0; i < settings->smarthost_count; i++)
        free_smarthost(&settings->smarthosts[i]);
    free(settings->smarthosts);
    for (size_t i = 0; i < settings->listener_count; i++)
        listener_free(&settings->listeners[i]);
    free(settings->listeners);
    filtering_free(&settings->filter);
    for (size_t i = 0; i < settings->dkim_count; i++)
        dkim_free(&settings->dkims[i]);
    free(settings->dkims);
    free(settings->path);
    free(settings->hostname);
    free(settings->domain);
    texts_free(&settings->local_domains);
    texts_free(&settings->aliases);
    free(settings->mailbox_directory);
    free(settings->log_file);
    free(settings->queue_directory);
    free(settings->retry);
    *settings = (struct settings){0};
}

const char *settings_file(const struct settings *settings)
{
    return *settings->path ? settings->path : POSTRIDER_CONFIG;
}

/* A file beside the settings; the caller frees. */
static char *beside(const struct settings *settings, const char *name)
{
    char *folder = folder_of(settings_file(settings));
    char *path = join(folder, name);
    free(folder);
    return path;
}

static uint64_t longest(uint64_t most, const uint64_t *steps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (steps[i] > most)
            most = steps[i];
    return most;
}

uint64_t settings_longest_wait(const struct settings *settings)
{
    uint64_t most = longest(0, settings->retry, settings->retry_count);
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route *route = &settings->routes[i];
        most = longest(most, route->retry, route->retry_count);
        const uint64_t window = route->to.rate.seconds;
        most = longest(most, &window, 1);
    }
    for (size_t i = 0; i < settings->smarthost_count; i++) {
        const uint64_t window = settings->smarthosts[i].rate.seconds;
        most = longest(most, &window, 1);
    }
    return most;
}

char *settings_credentials_path(const struct settings *settings)
{
    return beside(settings, "credentials.conf");
}

char *settings_key_path(const struct settings *settings, const char *name)
{
    struct buffer file = {0};
    buffer_format(&file, "dkim/%s.pem", name);
    char *path = beside(settings, buffer_text(&file));
    buffer_free(&file);
    return path;
}

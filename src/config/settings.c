/*
 * From a file to struct settings: sections and keys into their places by the table in keys.c, then
 * the defaults for what was not said. What single values may be is not known here.
 */
#include "config/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/identity.h"
#include "config/keys.h"
#include "config/paths.h"
#include "config/reader.h"
#include "config/smarthost.h"

enum { PORT_SUBMISSION = 587, PORT_SUBMISSIONS = 465 }; /* RFC 6409, RFC 8314 */

/* What was said, and where, by the bits of the table's keys. */
struct notes {
    uint64_t seen;
    unsigned line;
};

struct loading {
    struct settings *settings;
    char *folder;          /* of the file; relative paths begin here */
    struct texts sections; /* seen already, smarthosts by their headings */
    struct notes notes;    /* about struct settings */
    struct notes *hosts;   /* about each smarthost */
    bool in_smarthost;     /* the section we are in is the last smarthost */
};

static struct notes *notes_of(struct loading *loading)
{
    return loading->in_smarthost ? &loading->hosts[loading->settings->smarthost_count - 1]
                                 : &loading->notes;
}

static void *structure_of(struct loading *loading)
{
    struct settings *settings = loading->settings;
    return loading->in_smarthost ? (void *)&settings->smarthosts[settings->smarthost_count - 1]
                                 : (void *)settings;
}

static uint64_t bit_of(const struct key *key)
{
    return (uint64_t)1 << (key - keys);
}

static bool is_smarthost_key(const struct key *key)
{
    return text_equal(key->section, "smarthost");
}

/* Gives all keys of a section that were not seen the default of the table. */
static void fill_in(struct loading *loading, bool smarthost)
{
    struct entry entry = {.path = "default"};
    loading->in_smarthost = smarthost;
    for (const struct key *key = keys; key < keys + key_count; key++) {
        if (is_smarthost_key(key) != smarthost || !key->initial ||
            (notes_of(loading)->seen & bit_of(key)))
            continue;
        struct setting setting = {key, &entry, structure_of(loading), "/"};
        struct outcome outcome = keys_set(&setting, key->initial);
        if (!outcome_good(&outcome))
            impossible("a default that is not allowed");
    }
}

static void add_smarthost(struct loading *loading, const struct entry *entry)
{
    struct settings *settings = loading->settings;
    size_t count = settings->smarthost_count + 1;
    settings->smarthosts =
        memory_resize(settings->smarthosts, count * sizeof *settings->smarthosts);
    settings->smarthosts[count - 1] =
        (struct smarthost){.name = memory_copy(entry->name, strlen(entry->name))};
    loading->hosts = memory_resize(loading->hosts, count * sizeof *loading->hosts);
    loading->hosts[count - 1] = (struct notes){.line = entry->line};
    settings->smarthost_count = count;
}

static struct outcome take_section(void *context, const struct entry *entry)
{
    struct loading *loading = context;
    if (!keys_has_section(entry->section))
        return reader_fault(entry, "unknown section [%.60s]; did you mean [%s]?", entry->section,
                            keys_nearest_section(entry->section));
    loading->in_smarthost = text_equal(entry->section, "smarthost");
    if (*entry->name && !loading->in_smarthost)
        return reader_fault(entry, "section [%.60s] takes no name", entry->section);
    struct buffer heading = {0};
    buffer_format(&heading, *entry->name ? "[%s \"%s\"]" : "[%s]",
                  keys_nearest_section(entry->section), entry->name);
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < loading->sections.count; i++)
        if (strcmp(loading->sections.items[i], buffer_text(&heading)) == 0)
            outcome = reader_fault(entry, "section %.200s stands here a second time: join the two",
                                   buffer_text(&heading));
    texts_add(&loading->sections, buffer_text(&heading));
    buffer_free(&heading);
    if (outcome_good(&outcome) && loading->in_smarthost)
        add_smarthost(loading, entry);
    return outcome;
}

static struct outcome unknown_key(const struct entry *entry)
{
    static const char *const secrets[] = {"password", "password_file"};
    for (size_t i = 0; i < 2; i++)
        if (text_equal(entry->key, secrets[i]))
            return reader_fault(entry, "%s belongs into credentials.conf, not here", secrets[i]);
    return reader_fault(entry, "unknown key %.60s in [%s]; did you mean %s?", entry->key,
                        entry->section, keys_nearest(entry->section, entry->key));
}

/* An indented line that looks like a key or a section of its own was not meant to continue. */
static bool looks_separate(const struct entry *entry)
{
    struct buffer word = {0};
    bool section = entry->value[0] == '[';
    const char *start = entry->value + section;
    size_t length = strcspn(start, section ? " \t\"]" : " \t=:");
    buffer_append(&word, start, length);
    const char *behind = start + length + strspn(start + length, " \t");
    bool separate = section ? keys_has_section(buffer_text(&word))
                            : (*behind == '=' || *behind == ':') &&
                                  keys_find(entry->section, buffer_text(&word)) != NULL;
    buffer_free(&word);
    return separate;
}

static struct outcome take_value(void *context, const struct entry *entry)
{
    struct loading *loading = context;
    const struct key *key = keys_find(entry->section, entry->key);
    if (!key)
        return unknown_key(entry);
    if (entry->continued && (!key->list || looks_separate(entry)))
        return reader_fault(entry,
                            "an indented line goes on with %s above%s: begin it without white "
                            "space",
                            key->name, key->list ? "" : ", which is no list");
    struct notes *notes = notes_of(loading);
    if ((notes->seen & bit_of(key)) && !entry->continued)
        return reader_fault(entry, "%s is given a second time in this section", key->name);
    notes->seen |= bit_of(key);
    struct setting setting = {key, entry, structure_of(loading), loading->folder};
    return keys_set(&setting, entry->value);
}

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

static void fill_in_ports(struct loading *loading)
{
    for (size_t i = 0; i < loading->settings->smarthost_count; i++) {
        struct smarthost *smarthost = &loading->settings->smarthosts[i];
        if (!(loading->hosts[i].seen & bit_of(keys_find("smarthost", "port"))))
            smarthost->port = smarthost->tls == TLS_IMPLICIT ? PORT_SUBMISSIONS : PORT_SUBMISSION;
    }
}

/* The defaults of all smarthosts, which fill_in knows as the last one. */
static void fill_in_smarthosts(struct loading *loading)
{
    size_t count = loading->settings->smarthost_count;
    for (size_t i = 1; i <= count; i++) {
        loading->settings->smarthost_count = i;
        fill_in(loading, true);
    }
    fill_in_ports(loading);
}

/* Everything that can only be said when the whole file has been read. */
static struct outcome complete(struct loading *loading, bool installed, const char *shown)
{
    struct settings *settings = loading->settings;
    struct entry place = {.path = shown};
    fill_in(loading, false);
    fill_in_smarthosts(loading);
    uint64_t domains = bit_of(keys_find("mail", "local_domains"));
    struct outcome outcome =
        fill_in_machine(settings, installed, (loading->notes.seen & domains) != 0);
    for (size_t i = 0; i < settings->smarthost_count && outcome_good(&outcome); i++) {
        place.line = loading->hosts[i].line;
        outcome = smarthost_check(&settings->smarthosts[i], &place);
    }
    return outcome_good(&outcome) ? smarthost_check_senders(settings, &place) : outcome;
}

/* Opens the file; *fd is -1 with a good outcome when it need not be there and is not. */
static struct outcome open_file(const char *path, bool may_be_missing, int *fd)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (*fd >= 0 || (errno == ENOENT && may_be_missing))
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

struct outcome settings_load(const char *path, struct settings *settings)
{
    static const struct reader callbacks = {
        .section = take_section,
        .value = take_value,
        .too_long = ": go on in an indented line if it is a list, else make it shorter",
    };
    *settings = (struct settings){0};
    const char *shown = path ? path : POSTRIDER_CONFIG;
    char *whole = absolute(shown);
    struct loading loading = {.settings = settings, .folder = folder_of(whole)};
    struct reader reader = callbacks;
    reader.context = &loading;
    int fd;
    struct outcome outcome = open_file(whole, !path, &fd);
    settings->path = fd >= 0 ? memory_copy(whole, strlen(whole)) : memory_copy("", 0);
    if (outcome_good(&outcome) && fd >= 0)
        outcome = reader_read(&reader, fd, shown);
    if (outcome_good(&outcome))
        outcome = complete(&loading, strcmp(whole, POSTRIDER_CONFIG) == 0, shown);
    file_close(&fd);
    free(whole);
    free(loading.folder);
    texts_free(&loading.sections);
    free(loading.hosts);
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

void settings_free(struct settings *settings)
{
    for (size_t i = 0; i < settings->smarthost_count; i++)
        free_smarthost(&settings->smarthosts[i]);
    free(settings->smarthosts);
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

char *settings_credentials_path(const struct settings *settings)
{
    char *folder = folder_of(*settings->path ? settings->path : POSTRIDER_CONFIG);
    char *path = join(folder, "credentials.conf");
    free(folder);
    return path;
}

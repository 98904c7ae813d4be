/*
 * Which key is meant, by the settings as far as they say; making it, and printing what the DNS and
 * the settings need. Runs with its caller's own rights: whoever may write the file may do all of
 * this. What it prints is a zone file and a settings file, and comments in both.
 */
#include "run/dkim_key.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/privilege.h"
#include "base/text.h"
#include "config/dkim.h"
#include "config/secret.h"
#include "config/settings.h"
#include "mail/dkim_record.h"
#include "mail/domain.h"
#include "net/signing_key.h"

static const char usual_selector[] = "mail";

struct task {
    const char *config; /* NULL: the installed settings */
    const char *selector, *type, *domain;
    bool is_forced, is_show;
};

/* The key that is meant. */
struct wanted {
    char *domain, *selector, *path;
    enum key_type type;
    const struct dkim *dkim; /* the section that signs for the domain; NULL: none does yet */
    bool listed;             /* and it has this selector and this file */
};

/* ---- what is meant ---- */

static struct outcome read_arguments(int argc, char *const argv[], struct task *task)
{
    const struct {
        const char *name;
        const char **value;
    } values[] = {{"-C", &task->config}, {"--selector", &task->selector}, {"--type", &task->type}};
    bool ended = false;
    for (int i = 1; i < argc; i++) {
        size_t at = 0;
        while (at < 3 && (ended || strcmp(argv[i], values[at].name) != 0))
            at++;
        if (at < 3 && i + 1 < argc)
            *values[at].value = argv[++i];
        else if (!ended && strcmp(argv[i], "--") == 0)
            ended = true;
        else if (!ended && strcmp(argv[i], "--force") == 0)
            task->is_forced = true;
        else if (!ended && strcmp(argv[i], "--show") == 0)
            task->is_show = true;
        else if (task->domain || (!ended && argv[i][0] == '-'))
            return outcome_refuse(EX_USAGE, "dkim-key does not know \"%.100s\"", argv[i]);
        else
            task->domain = argv[i];
    }
    if (!task->domain)
        return outcome_refuse(EX_USAGE, "whose key? dkim-key needs the name of a domain");
    if (task->is_forced && task->is_show)
        return outcome_refuse(EX_USAGE, "--force and --show: which?");
    return outcome_done();
}

static struct outcome read_names(const struct task *task, struct wanted *wanted)
{
    const char *why;
    if (!domain_parse(task->domain, strlen(task->domain), &wanted->domain, &why))
        return outcome_refuse(EX_DATAERR, "the domain \"%.100s\": %s", task->domain, why);
    if (task->selector &&
        !domain_parse(task->selector, strlen(task->selector), &wanted->selector, &why))
        return outcome_refuse(EX_DATAERR, "the selector \"%.100s\": %s", task->selector, why);
    if (task->type && strcmp(task->type, signing_key_name(KEY_ED25519)) == 0)
        wanted->type = KEY_ED25519;
    else if (task->type && strcmp(task->type, signing_key_name(KEY_RSA)) != 0)
        return outcome_refuse(EX_USAGE, "--type is rsa or ed25519, not \"%.100s\"", task->type);
    return outcome_done();
}

/* A further key of a domain has its selector in its name. */
static char *further_path(const struct settings *settings, const struct wanted *wanted)
{
    struct buffer name = {0};
    buffer_format(&name, "%s.%s", wanted->domain, wanted->selector);
    char *path = settings_key_path(settings, buffer_text(&name));
    buffer_free(&name);
    return path;
}

static void find_file(const struct settings *settings, struct wanted *wanted)
{
    const struct dkim *dkim = wanted->dkim = dkim_find_signing(settings, wanted->domain);
    const char *selector = dkim ? dkim->selectors.items[0] : usual_selector;
    if (!wanted->selector)
        wanted->selector = memory_copy(selector, strlen(selector));
    for (size_t i = 0; dkim && i < dkim->selectors.count && !wanted->path; i++)
        if (text_equal(dkim->selectors.items[i], wanted->selector))
            wanted->path = memory_copy(dkim->keys.items[i], strlen(dkim->keys.items[i]));
    wanted->listed = wanted->path != NULL;
    if (!wanted->path)
        wanted->path =
            dkim ? further_path(settings, wanted) : settings_key_path(settings, wanted->domain);
}

/* ---- the key ---- */

static struct outcome load(const struct wanted *wanted, struct signing_key **key)
{
    if (access(wanted->path, F_OK) < 0 && errno == ENOENT)
        return outcome_refuse(EX_NOINPUT, "there is no key %s: without --show dkim-key makes one",
                              wanted->path);
    return signing_key_load(wanted->path, key);
}

static struct outcome check_absent(const struct wanted *wanted)
{
    struct stat status;
    if (lstat(wanted->path, &status) < 0)
        return outcome_done();
    return outcome_refuse(EX_CANTCREAT,
                          "%s is there already: --show prints its record, --force makes another "
                          "key in its place%s",
                          wanted->path,
                          wanted->dkim ? ", --selector with a new name one beside it" : "");
}

static struct outcome make(const struct task *task, const struct wanted *wanted,
                           struct signing_key **key)
{
    bool installed = !task->config && geteuid() == 0;
    struct buffer pem = {0};
    struct outcome outcome = task->is_forced ? outcome_done() : check_absent(wanted);
    if (outcome_good(&outcome))
        outcome = signing_key_make(wanted->type, key);
    if (outcome_good(&outcome))
        outcome = signing_key_format(*key, &pem);
    if (outcome_good(&outcome))
        outcome =
            secret_save(wanted->path, installed ? POSTRIDER_USER : NULL, task->is_forced, &pem);
    buffer_wipe(&pem);
    return outcome;
}

/* ---- what is printed ---- */

/* As indented lines, which a list may have, for no line may be long. */
static void print_list(const char *key, const struct texts *items, const char *more)
{
    printf("%s = ", key);
    for (size_t i = 0; items && i < items->count; i++)
        printf("%s,\n    ", items->items[i]);
    printf("%s\n", more);
}

static void print_section(const struct settings *settings, const struct wanted *wanted)
{
    const struct dkim *dkim = wanted->dkim;
    const char *path = settings_file(settings);
    if (wanted->listed) {
        printf("; %s has it in [dkim \"%s\"].\n", path, dkim->pattern);
        return;
    }
    printf("; For %s, once the DNS has that record:\n", path);
    printf("[dkim \"%s\"]\n", dkim ? dkim->pattern : wanted->domain);
    print_list("selector", dkim ? &dkim->selectors : NULL, wanted->selector);
    print_list("key", dkim ? &dkim->keys : NULL, wanted->path);
}

static struct outcome print(const struct settings *settings, const struct wanted *wanted,
                            const struct signing_key *key)
{
    struct buffer public = {0}, text = {0};
    struct outcome outcome = signing_key_format_public(key, &public);
    if (outcome_good(&outcome)) {
        const struct dkim_record record = {wanted->selector, wanted->domain,
                                           signing_key_name(signing_key_type(key)),
                                           buffer_text(&public)};
        printf("; The key is in %s.\n; Its record, for a zone file:\n", wanted->path);
        dkim_record_zone(&record, &text);
        printf("%s\n; The same for a form, name and value:\n", buffer_text(&text));
        buffer_clear(&text);
        dkim_record_name(&record, &text);
        buffer_append_byte(&text, '\n');
        dkim_record_value(&record, &text);
        printf("%s\n\n", buffer_text(&text));
        print_section(settings, wanted);
    }
    buffer_free(&public);
    buffer_free(&text);
    return outcome;
}

/* ---- the whole ---- */

static struct outcome perform(const struct task *task, const struct settings *settings,
                              const struct wanted *wanted)
{
    struct signing_key *key = NULL;
    struct outcome outcome = outcome_done();
    /* Who reads the key is who has to be able to. */
    if (task->is_show && !task->config && geteuid() == 0)
        outcome = privilege_become(POSTRIDER_USER);
    if (outcome_good(&outcome))
        outcome = task->is_show ? load(wanted, &key) : make(task, wanted, &key);
    if (outcome_good(&outcome))
        outcome = print(settings, wanted, key);
    signing_key_free(key);
    return outcome;
}

struct outcome dkim_key_run(int argc, char *const argv[])
{
    struct task task = {0};
    struct wanted wanted = {0};
    struct settings settings = {0};
    memory_wipe_freed();
    struct outcome outcome = read_arguments(argc, argv, &task);
    if (outcome_good(&outcome))
        outcome = read_names(&task, &wanted);
    if (outcome_good(&outcome))
        outcome = settings_load(task.config, &settings);
    if (outcome_good(&outcome)) {
        find_file(&settings, &wanted);
        outcome = perform(&task, &settings, &wanted);
    }
    settings_free(&settings);
    free(wanted.domain);
    free(wanted.selector);
    free(wanted.path);
    return outcome;
}

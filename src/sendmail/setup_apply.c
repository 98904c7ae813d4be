/*
 * Part of postrider setup: what is wanted, be it by answers or by another program's settings,
 * becomes texts that are to be written. Writes nothing, and can be done again with another
 * password.
 */
#include "sendmail/setup_parts.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "config/keys.h"
#include "setup/account.h"
#include "setup/alias_edit.h"
#include "setup/import_note.h"

static const char section[] = "smarthost", root[] = "root";

/* ---- accounts ---- */

void setup_forget_accounts(struct setup *setup)
{
    for (size_t i = 0; i < setup->account_count; i++) {
        free(setup->accounts[i].name);
        buffer_wipe(&setup->accounts[i].password);
        password_free_files(&setup->accounts[i].files);
    }
    free(setup->accounts);
    setup->accounts = NULL;
    setup->account_count = 0;
}

/* To be called when the settings have it. password: NULL for what is there already, which is told
 * to no other host and for no other user than it was made for. */
static void add_account(struct setup *setup, const char *name, const char *password)
{
    const struct edit *after = &setup->config.after;
    bool same =
        account_is_the_same(&setup->config.before, name, edit_find(after, section, name, "host"),
                            edit_find(after, section, name, "user"));
    setup->accounts =
        memory_resize(setup->accounts, (setup->account_count + 1) * sizeof *setup->accounts);
    struct setup_account *account = &setup->accounts[setup->account_count++];
    *account = (struct setup_account){.name = memory_copy(name, strlen(name)),
                                      .has_password = password != NULL,
                                      .loses_password = !password && !same};
    if (password)
        buffer_append_text(&account->password, password);
    else if (same)
        (void)password_find(&setup->credentials.before, name, &account->password);
}

static struct outcome begin(struct plan_file *file)
{
    const struct buffer *text = &file->before.text;
    edit_free(&file->after);
    return edit_open(&file->after, file->before.path, buffer_text(text), text->length);
}

/* ---- by answers ---- */

static struct outcome apply_wish(struct setup *setup)
{
    const struct wish *wish = &setup->wish;
    const struct smarthost_account account = {.name = wish->name,
                                              .senders = wish->senders,
                                              .host = wish->host,
                                              .port = wish->port,
                                              .tls = wish->tls,
                                              .tls_trust = wish->tls_trust,
                                              .user = wish->user,
                                              .domain = wish->domain,
                                              .masquerade = wish->masquerade,
                                              .has_password = wish->has_password};
    if (!wish->has_account)
        return outcome_done();
    struct outcome outcome =
        account_apply(&account, &setup->now, &setup->config.after, &setup->dropped);
    if (outcome_good(&outcome))
        add_account(setup, wish->name, wish->has_password ? buffer_text(&wish->password) : NULL);
    return outcome;
}

/* ---- by another program's settings ---- */

static bool is_whole(const char *name)
{
    return text_equal(name, section) || text_equal(name, "route") || text_equal(name, "listen");
}

static bool is_wanted(const struct import *import, const struct edit_entry *entry)
{
    bool has_section = false;
    for (size_t i = 0; i < import->settings.count; i++) {
        const struct import_value *value = &import->settings.items[i];
        if (!text_equal(value->section, entry->section) || strcmp(value->name, entry->name) != 0)
            continue;
        has_section = true;
        if (text_equal(value->key, entry->key))
            return true;
    }
    return !has_section;
}

/* What an older account of the same section has beside these keys. */
static struct outcome drop_others(struct setup *setup)
{
    const struct edit *before = &setup->config.before;
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < before->count && outcome_good(&outcome); i++) {
        const struct edit_entry *entry = &before->entries[i];
        if (!entry->key || !is_whole(entry->section) || is_wanted(&setup->import, entry))
            continue;
        struct buffer words = {0};
        buffer_format(&words, *entry->name ? "[%s \"%s\"] %s" : "[%s%s] %s", entry->section,
                      entry->name, entry->key);
        texts_add(&setup->dropped, buffer_text(&words));
        buffer_free(&words);
        outcome = edit_comment_out(&setup->config.after, entry->section, entry->name, entry->key);
    }
    return outcome;
}

static const char *password_of(const struct import *import, const char *name)
{
    for (size_t i = 0; i < import->credentials.count; i++)
        if (strcmp(import->credentials.items[i].name, name) == 0)
            return import->credentials.items[i].value;
    return NULL;
}

static struct outcome apply_import(struct setup *setup)
{
    const struct import *import = &setup->import;
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < import->settings.count && outcome_good(&outcome); i++) {
        const struct import_value *value = &import->settings.items[i];
        outcome =
            edit_set(&setup->config.after, value->section, value->name, value->key, value->value);
    }
    const char *last = NULL;
    for (size_t i = 0; i < import->settings.count && outcome_good(&outcome); i++) {
        const struct import_value *value = &import->settings.items[i];
        if (text_equal(value->section, section) && (!last || strcmp(last, value->name) != 0))
            add_account(setup, last = value->name, password_of(import, value->name));
    }
    return outcome_good(&outcome) ? drop_others(setup) : outcome;
}

/* ---- both ---- */

static struct outcome drop_password(struct setup *setup, struct setup_account *account)
{
    struct edit *credentials = &setup->credentials.after;
    struct buffer words = {0};
    if (!password_is_there(credentials, account->name))
        return outcome_done();
    buffer_format(&words, *account->name ? "[%s \"%s\"] password" : "[%s%s] password", section,
                  account->name);
    texts_add(&setup->removed, buffer_text(&words));
    buffer_free(&words);
    return password_drop(credentials, account->name, &account->files);
}

static struct outcome apply_passwords(struct setup *setup)
{
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < setup->account_count && outcome_good(&outcome); i++) {
        struct setup_account *account = &setup->accounts[i];
        struct buffer now = {0};
        bool known = password_find(&setup->credentials.before, account->name, &now) &&
                     strcmp(buffer_text(&now), buffer_text(&account->password)) == 0;
        if (account->loses_password)
            outcome = drop_password(setup, account);
        else if (account->has_password && !known)
            outcome = password_put(&setup->credentials.after, account->name, &account->password,
                                   &account->files);
        buffer_wipe(&now);
    }
    return outcome;
}

static struct outcome read_settings(struct setup *setup)
{
    const struct buffer *text = &setup->config.after.text;
    int fd = edit_make_file(buffer_text(text), text->length);
    settings_free(&setup->then);
    struct outcome outcome = fd < 0 ? outcome_refuse(EX_OSERR, "cannot make a file in memory")
                                    : settings_read(fd, setup->path, &setup->then);
    file_close(&fd);
    /* The line that it names is in no file yet. */
    if (!outcome_good(&outcome))
        outcome = outcome_refuse(outcome.exit_status, "nothing was written, for it would be: %s",
                                 outcome.reason);
    return outcome;
}

/* ---- aliases ---- */

struct outcome setup_load_aliases(struct setup *setup, const struct settings *settings)
{
    struct outcome outcome = outcome_done();
    save_free(&setup->aliases);
    if (settings->aliases.count)
        outcome =
            save_load(settings->aliases.items[0], SAVE_OPEN, setup->installed, &setup->aliases);
    /* the aliases file of all, as somebody's own settings name it, may be none of his business */
    if (outcome.exit_status == EX_NOPERM && !setup->installed) {
        save_free(&setup->aliases);
        outcome = outcome_done();
    }
    return outcome;
}

static const char *first_file(const struct settings *settings)
{
    return settings->aliases.count ? settings->aliases.items[0] : "";
}

bool setup_root_needs_alias(struct setup *setup)
{
    const struct save_file *file = &setup->aliases;
    struct buffer targets = {0};
    bool found = true;
    struct outcome outcome =
        alias_edit_find(file->path ? file->path : "", &file->content, root, &targets, &found);
    buffer_free(&targets);
    return file->path && outcome_good(&outcome) && !found &&
           (geteuid() == 0 || access(file->path, W_OK) == 0);
}

/* replace: instead of what the alias is now; otherwise that stays, and is noted. */
static struct outcome apply_alias(struct setup *setup, const char *name, const char *target,
                                  bool replace)
{
    const struct buffer *text =
        setup->aliases_text.length ? &setup->aliases_text : &setup->aliases.content;
    struct buffer now = {0}, result = {0};
    bool found;
    struct outcome outcome = alias_edit_find(setup->aliases.path, text, name, &now, &found);
    bool same = found && strcmp(buffer_text(&now), target) == 0;
    if (outcome_good(&outcome) && found && !same && !replace) {
        struct buffer note = {0};
        buffer_format(&note, "%s: %s", name, target);
        texts_add(&setup->alias_notes, buffer_text(&note));
        buffer_free(&note);
    } else if (outcome_good(&outcome) && !same) {
        outcome = alias_edit_set(setup->aliases.path, text, name, target, &result);
        if (outcome_good(&outcome)) {
            buffer_free(&setup->aliases_text);
            setup->aliases_text = result;
            result = (struct buffer){0};
        }
    }
    buffer_free(&now);
    buffer_free(&result);
    return outcome;
}

static struct outcome apply_alias_line(struct setup *setup, const char *line)
{
    size_t length = strcspn(line, ":");
    char *name = memory_copy(line, length);
    text_lower(name);
    const char *target = line + length + (line[length] == ':');
    target += strspn(target, " \t");
    struct outcome outcome = apply_alias(setup, text_trim(name), target, false);
    free(name);
    return outcome;
}

static struct outcome apply_aliases(struct setup *setup)
{
    struct outcome outcome = outcome_done();
    buffer_free(&setup->aliases_text);
    texts_free(&setup->alias_notes);
    if (strcmp(first_file(&setup->now), first_file(&setup->then)) != 0)
        outcome = setup_load_aliases(setup, &setup->then);
    if (!outcome_good(&outcome) || (!setup->wish.root && !setup->import.aliases.count))
        return outcome;
    if (!setup->aliases.path)
        return outcome_refuse(EX_CONFIG,
                              "%s: aliases in [mail] is empty, so that nobody can read "
                              "root's mail",
                              setup->path);
    if (setup->wish.root)
        outcome = apply_alias(setup, root, setup->wish.root, true);
    for (size_t i = 0; i < setup->import.aliases.count && outcome_good(&outcome); i++)
        outcome = apply_alias_line(setup, setup->import.aliases.items[i]);
    return outcome;
}

struct outcome setup_apply(struct setup *setup)
{
    setup_forget_accounts(setup);
    texts_free(&setup->dropped);
    texts_free(&setup->removed);
    struct outcome outcome = begin(&setup->config);
    if (outcome_good(&outcome))
        outcome = begin(&setup->credentials);
    if (outcome_good(&outcome))
        outcome = setup->options.account.from ? apply_import(setup) : apply_wish(setup);
    if (outcome_good(&outcome) && !taken_value(&setup->import, "route", "*", "via"))
        outcome = account_drop_route(&setup->config.before, &setup->config.after, &setup->dropped);
    if (outcome_good(&outcome))
        outcome = apply_passwords(setup);
    if (outcome_good(&outcome))
        outcome = read_settings(setup);
    if (outcome_good(&outcome))
        outcome = apply_aliases(setup);
    return outcome;
}

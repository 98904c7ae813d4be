/*
 * See plan.h. The password in credentials.conf is found by the section's name alone, so that an old
 * account and a new one of the same section cannot both be there. Where both files change about an
 * account that works now, the settings therefore get the new password by password_command until
 * credentials.conf has it:
 *
 *     postrider.conf            credentials.conf    signs in with
 *     old                       old                 the old account
 *     new, password_command     old                 the new account, password from its own file
 *     new, password_command     new                 the same
 *     new                       new                 the new account
 *
 * In all other cases credentials.conf goes first: either the old settings do not ask for what is
 * new in it, or it is the same account's new password.
 */
#include "setup/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "setup/account.h"

static const char section[] = "smarthost";

bool plan_changes(const struct plan_file *file)
{
    const struct buffer *text = &file->after.text;
    return (file->file.there ? !file->file.proper : text->length > 0) ||
           text->length != file->file.content.length ||
           memcmp(buffer_text(text), buffer_text(&file->file.content), text->length) != 0;
}

/* ---- the steps ---- */

/* Steps keep places in files and texts: each of these is an allocation of its own. */
struct plan {
    const struct plan_file *config, *credentials;
    struct save_step *steps;
    size_t count;
    struct save_file **files;
    size_t file_count;
    struct edit bridged;              /* the settings meanwhile; .path NULL: none are needed */
    const struct save_file **bridges; /* by account; NULL: it needs none */
};

static void add_step(struct plan *plan, const struct save_file *file, const struct buffer *text)
{
    plan->steps = memory_resize(plan->steps, (plan->count + 1) * sizeof *plan->steps);
    plan->steps[plan->count++] = (struct save_step){file, text};
}

/* A file beside credentials.conf, with the same owner and mode. */
static struct outcome add_secret(struct plan *plan, const char *path, const struct buffer *text,
                                 const struct save_file **added)
{
    struct save_file *file = memory_get(sizeof *file);
    const struct save_file *like = &plan->credentials->file;
    plan->files = memory_resize(plan->files, (plan->file_count + 1) * sizeof(struct save_file *));
    plan->files[plan->file_count++] = file;
    if (added)
        *added = file;
    struct outcome outcome = save_load(path, SAVE_SECRET, false, file);
    if (!outcome_good(&outcome) || (!file->there && !text))
        return outcome;
    file->owner = like->owner;
    file->group = like->group;
    file->mode = like->mode;
    add_step(plan, file, text);
    return outcome;
}

static bool differs(const char *a, const char *b)
{
    return !a || !b || strcmp(a, b) != 0;
}

/* Whether an account that works now would not, were only one of the files the new one. */
static bool needs_bridge(const struct plan *plan, const struct plan_account *account)
{
    const struct edit *before = &plan->config->before, *after = &plan->config->after;
    const char *name = account->name, *user = edit_find(before, section, name, "user");
    struct buffer password = {0};
    bool moves = differs(edit_find(before, section, name, "host"),
                         edit_find(after, section, name, "host")) ||
                 differs(user, edit_find(after, section, name, "user"));
    bool needed = account->password && user && moves &&
                  !edit_find(before, section, name, "password_command") &&
                  password_find(&plan->credentials->before, name, &password) &&
                  strcmp(buffer_text(&password), buffer_text(account->password)) != 0;
    buffer_wipe(&password);
    return needed;
}

static struct outcome add_bridge(struct plan *plan, const struct plan_account *account,
                                 const struct save_file **bridge)
{
    char *path = password_bridge(&plan->credentials->after, account->name);
    char *command = account_bridge(path);
    struct outcome outcome = outcome_done();
    if (!plan->bridged.path)
        outcome =
            edit_open(&plan->bridged, plan->config->file.path,
                      buffer_text(&plan->config->after.text), plan->config->after.text.length);
    if (outcome_good(&outcome))
        outcome = edit_set(&plan->bridged, section, account->name, "password_command", command);
    if (outcome_good(&outcome))
        outcome = add_secret(plan, path, account->password, bridge);
    free(command);
    free(path);
    return outcome;
}

static struct outcome add_secrets(struct plan *plan, const struct plan_account *account,
                                  const struct save_file **bridge)
{
    struct outcome outcome = outcome_done();
    if (account->files.wanted)
        outcome = add_secret(plan, account->files.wanted, account->password, NULL);
    if (outcome_good(&outcome) && needs_bridge(plan, account))
        outcome = add_bridge(plan, account, bridge);
    return outcome;
}

/* What is no longer asked for, once nothing asks for it. A bridge may be one that a crash left. */
static struct outcome add_removals(struct plan *plan, const struct plan_account *account,
                                   const struct save_file *bridge)
{
    char *path = password_bridge(&plan->credentials->after, account->name);
    struct outcome outcome = outcome_done();
    if (bridge)
        add_step(plan, bridge, NULL);
    else if (account_is_bridged(&plan->config->before, account->name) &&
             !account_is_bridged(&plan->config->after, account->name))
        outcome = add_secret(plan, path, NULL, NULL);
    if (outcome_good(&outcome) && account->files.useless)
        outcome = add_secret(plan, account->files.useless, NULL, NULL);
    free(path);
    return outcome;
}

static struct outcome make(struct plan *plan, const struct plan_account *accounts, size_t count)
{
    struct outcome outcome = outcome_done();
    plan->bridges = memory_get((count + 1) * sizeof *plan->bridges);
    for (size_t i = 0; i < count && outcome_good(&outcome); i++)
        outcome = add_secrets(plan, &accounts[i], &plan->bridges[i]);
    if (plan->bridged.path)
        add_step(plan, &plan->config->file, &plan->bridged.text);
    if (plan_changes(plan->credentials))
        add_step(plan, &plan->credentials->file, &plan->credentials->after.text);
    if (plan_changes(plan->config))
        add_step(plan, &plan->config->file, &plan->config->after.text);
    for (size_t i = 0; i < count && outcome_good(&outcome); i++)
        outcome = add_removals(plan, &accounts[i], plan->bridges[i]);
    return outcome;
}

struct outcome plan_save(const struct plan_file *config, const struct plan_file *credentials,
                         const struct plan_account *accounts, size_t count)
{
    struct plan plan = {.config = config, .credentials = credentials};
    struct outcome outcome = make(&plan, accounts, count);
    if (outcome_good(&outcome))
        outcome = save_all(plan.steps, plan.count);
    for (size_t i = 0; i < plan.file_count; i++) {
        save_free(plan.files[i]);
        free(plan.files[i]);
    }
    free(plan.files);
    free(plan.bridges);
    free(plan.steps);
    edit_free(&plan.bridged);
    return outcome;
}

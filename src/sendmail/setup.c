/*
 * See setup.h. The order of things: look at what there is, find out what is wanted, make the new
 * texts, sign in with them, and only then write. Runs with its caller's own rights from the first
 * moment, for the group of this program is for the queue.
 */
#include "sendmail/setup.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/privilege.h"
#include "base/process.h"
#include "base/question.h"
#include "base/terminal.h"
#include "config/paths.h"
#include "sendmail/office.h"
#include "sendmail/setup_parts.h"
#include "setup/trial.h"

enum {
    ALLOWED = VERB_ACCOUNT | VERB_DOMAIN | VERB_OFFLINE | VERB_DRY_RUN | VERB_YES | VERB_JSON |
              VERB_VERBOSE | VERB_ARGUMENTS,
    TRIES = 3, /* for a password */
    ALIASES_LIMIT_MS = 60 * 1000
};

/* ---- which settings ---- */

static char *absolute(const char *path)
{
    char *here = *path == '/' ? NULL : getcwd(NULL, 0);
    struct buffer whole = {0};
    if (here)
        buffer_format(&whole, "%s/", here);
    buffer_append_text(&whole, path);
    free(here);
    return buffer_take(&whole);
}

static struct outcome choose_settings(struct setup *setup)
{
    const char *given = setup->options.config;
    char *own = !given && geteuid() != 0 ? office_own_path() : NULL;
    if (!given && geteuid() != 0 && !own)
        return outcome_refuse(EX_CONFIG, "nobody knows your home: name the settings with -C FILE");
    const char *path = given ? given : own ? own : POSTRIDER_CONFIG;
    setup->installed = office_is_installed(path);
    setup->path = absolute(setup->installed ? POSTRIDER_CONFIG : path);
    free(own);
    const char *slash = strrchr(setup->path, '/');
    setup->folder =
        memory_copy(setup->path, slash == setup->path ? 1 : (size_t)(slash - setup->path));
    struct buffer credentials = {0};
    buffer_format(&credentials, "%.*s/credentials.conf", (int)(slash - setup->path), setup->path);
    setup->credentials_path = buffer_take(&credentials);
    if (setup->installed && geteuid() != 0)
        return outcome_refuse(EX_NOPERM, "only root may set up this machine; settings of your own "
                                         "are named with -C FILE");
    return outcome_done();
}

static bool is_others(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && info.st_uid != 0;
}

/* With root's rights nobody's settings are taken but root's: they name files that are read, and
 * hosts that are told a password. Nor are any in a folder where another may lay links. */
static struct outcome check_owner(const struct setup *setup)
{
    if (geteuid() != 0 || setup->installed)
        return outcome_done();
    if (is_others(setup->path) || is_others(setup->folder))
        return outcome_refuse(EX_NOPERM, "%s is not root's: do that as its owner, by sudo -u",
                              is_others(setup->path) ? setup->path : setup->folder);
    return outcome_done();
}

static struct outcome open_file(struct plan_file *file, const char *path, enum save_kind kind,
                                bool installed)
{
    struct outcome outcome = save_load(path, kind, installed, &file->file);
    if (!outcome_good(&outcome))
        return outcome;
    return edit_open(&file->before, path, buffer_text(&file->file.content),
                     file->file.content.length);
}

static struct outcome read_settings(struct setup *setup)
{
    const struct buffer *text = &setup->config.before.text;
    int fd = edit_make_file(buffer_text(text), text->length);
    if (fd < 0)
        return outcome_refuse(EX_OSERR, "cannot make a file in memory");
    struct outcome outcome = settings_read(fd, setup->path, &setup->now);
    file_close(&fd);
    return outcome_good(&outcome) ? setup_load_aliases(setup, &setup->now) : outcome;
}

static struct outcome open_settings(struct setup *setup)
{
    struct outcome outcome = choose_settings(setup);
    if (outcome_good(&outcome))
        outcome = check_owner(setup);
    if (outcome_good(&outcome) && !(setup->options.given & VERB_DRY_RUN))
        outcome = save_lock(setup->folder, &setup->lock);
    if (outcome_good(&outcome))
        outcome = open_file(&setup->config, setup->path, SAVE_OPEN, setup->installed);
    if (outcome_good(&outcome) && setup->lock >= 0)
        trial_sweep(setup->folder, &setup->config.file.content);
    if (outcome_good(&outcome))
        outcome =
            open_file(&setup->credentials, setup->credentials_path, SAVE_SECRET, setup->installed);
    if (outcome_good(&outcome))
        outcome = password_check_file(&setup->credentials.before);
    return outcome_good(&outcome) ? read_settings(setup) : outcome;
}

/* ---- what is wanted ---- */

static struct outcome check_from(const struct verb_options *options)
{
    const struct verb_account *given = &options->account;
    if (options->arguments.count || options->domains.count || given->provider || given->name ||
        given->host || given->port || given->tls || given->tls_trust || given->user ||
        given->senders || given->region || given->password_file)
        return outcome_refuse(EX_USAGE, "--from takes an account as that program has it: without "
                                        "a provider and its options");
    return outcome_done();
}

/* Root's is where the user table has it: what the environment has may be his whom sudo(8) left it
 * of, whose files are not for root to take over. NULL: none. */
static const char *find_home(void)
{
    const struct passwd *root = geteuid() == 0 ? getpwuid(0) : NULL;
    const char *home = geteuid() != 0 ? getenv("HOME") : root ? root->pw_dir : NULL;
    return home && *home == '/' ? home : NULL;
}

static struct outcome take_from(struct setup *setup)
{
    const struct verb_account *given = &setup->options.account;
    const char *from_root = given->from_root ? given->from_root : "";
    struct outcome outcome = check_from(&setup->options);
    if (outcome_good(&outcome))
        outcome = import_read(given->from, from_root, find_home(), &setup->import);
    setup->wish.name = memory_copy("", 0);
    if (given->root)
        setup->wish.root = memory_copy(given->root, strlen(given->root));
    if (given->test)
        setup->wish.test = memory_copy(given->test, strlen(given->test));
    if (!(setup->options.given & VERB_JSON))
        setup_show_notes(setup);
    if (outcome_good(&outcome) && setup->may_ask && !(setup->options.given & VERB_DRY_RUN))
        outcome = setup_ask_passwords(setup);
    return outcome;
}

static struct outcome find_wish(struct setup *setup)
{
    if (setup->options.account.from)
        return take_from(setup);
    const struct wish_about about = {.now = &setup->now,
                                     .may_ask = setup->may_ask,
                                     .has_password = password_is_there(
                                         &setup->credentials.before, wish_section(&setup->options)),
                                     .root_has_no_alias = setup_root_needs_alias(setup)};
    return wish_make(&setup->options, &about, &setup->wish);
}

/* ---- signing in ---- */

static bool changes_accounts(const struct setup *setup)
{
    return plan_changes(&setup->config) || plan_changes(&setup->credentials);
}

/* What the worst of it means for who called us. */
static struct outcome judge(const struct findings *findings)
{
    if (finding_worst(findings) < FINDING_FAULT)
        return outcome_done();
    bool refused = false;
    for (size_t i = 0; i < findings->count; i++)
        refused = refused || (findings->items[i].mark == FINDING_FAULT &&
                              strcmp(findings->items[i].topic, "sign-in") == 0);
    return refused ? outcome_refuse(EX_NOPERM, "the sign-in failed: nothing was written; with "
                                               "--offline it is written all the same")
                   : outcome_refuse(EX_TEMPFAIL, "the sign-in could not be tried: nothing was "
                                                 "written; with --offline it is written all the "
                                                 "same");
}

static struct outcome try_accounts(struct setup *setup)
{
    struct trial_account *accounts = memory_get((setup->account_count + 1) * sizeof *accounts);
    for (size_t i = 0; i < setup->account_count; i++) {
        const struct setup_account *account = &setup->accounts[i];
        accounts[i] = (struct trial_account){account->name,
                                             account->password.length ? &account->password : NULL};
    }
    finding_free(&setup->findings);
    bool people = !(setup->options.given & VERB_JSON);
    if (people)
        terminal_wait("Signing in ...");
    struct outcome outcome = trial_run(&setup->then, setup->folder, setup->installed, accounts,
                                       setup->account_count, &setup->findings);
    terminal_go_on();
    free(accounts);
    if (people)
        setup_show_findings(setup);
    return outcome_good(&outcome) ? judge(&setup->findings) : outcome;
}

static struct outcome sign_in(struct setup *setup)
{
    struct outcome outcome = try_accounts(setup);
    for (int i = 1; i < TRIES && outcome.exit_status == EX_NOPERM && setup->may_ask &&
                    setup->wish.has_password && !setup->options.account.password_file;
         i++) {
        struct outcome asked = wish_ask_password(&setup->wish);
        if (outcome_good(&asked))
            asked = setup_apply(setup);
        if (!outcome_good(&asked))
            return asked;
        outcome = try_accounts(setup);
    }
    return outcome;
}

/* ---- writing ---- */

static struct outcome save_files(const struct setup *setup)
{
    struct plan_account *accounts = memory_get((setup->account_count + 1) * sizeof *accounts);
    for (size_t i = 0; i < setup->account_count; i++) {
        const struct setup_account *account = &setup->accounts[i];
        accounts[i] =
            (struct plan_account){.name = account->name,
                                  .password = account->has_password ? &account->password : NULL,
                                  .files = account->files};
    }
    struct outcome outcome =
        plan_save(&setup->config, &setup->credentials, accounts, setup->account_count);
    free(accounts);
    return outcome;
}

/* As newaliases does. */
static struct outcome make_databases(const struct setup *setup)
{
    char path[4096];
    struct buffer output = {.limit = 1 << 20};
    process_find("postrider-run", path, sizeof path);
    char *argv[] = {path, "newaliases", setup->installed ? NULL : "-C", setup->path, NULL};
    fflush(stdout);
    struct outcome outcome = process_capture(argv, &output, ALIASES_LIMIT_MS);
    buffer_free(&output);
    if (!outcome_good(&outcome))
        outcome = outcome_refuse(EX_DATAERR, "%s is written, but newaliases has a fault to tell",
                                 setup->aliases.path);
    return outcome;
}

static struct outcome save_aliases(struct setup *setup)
{
    const struct save_step step = {&setup->aliases, &setup->aliases_text};
    if (!setup->aliases_text.length)
        return outcome_done();
    struct outcome outcome = save_all(&step, 1);
    if (!outcome_good(&outcome))
        return outcome;
    setup->changed = true;
    return make_databases(setup);
}

static struct outcome send_test(struct setup *setup)
{
    const char *senders = setup->wish.senders;
    struct buffer sender = {0};
    if (!setup->wish.test)
        return outcome_done();
    if (*setup->wish.name && senders)
        buffer_format(&sender, "%s%.*s", *senders == '@' ? "postmaster" : "",
                      (int)strcspn(senders, ", \t"), senders);
    setup->test.config = setup_config(setup);
    setup->test.sender = sender.length ? buffer_text(&sender) : NULL;
    setup->test.recipient = setup->wish.test;
    setup->test.verbose = (setup->options.given & (VERB_VERBOSE | VERB_JSON)) == VERB_VERBOSE;
    if (!(setup->options.given & (VERB_VERBOSE | VERB_JSON)))
        terminal_wait("Sending the test message ...");
    struct outcome outcome = setup_test_run(&setup->test, &setup->then);
    terminal_go_on();
    buffer_free(&sender);
    return outcome;
}

/* ---- the whole ---- */

static struct outcome confirm(const struct setup *setup)
{
    if (setup->options.given & VERB_JSON)
        return outcome_done();
    if (setup->may_ask || setup->options.given & VERB_DRY_RUN)
        setup_show_changes(setup);
    fflush(stdout);
    if (!setup->may_ask || setup->options.given & (VERB_YES | VERB_DRY_RUN) ||
        terminal_confirm("Write this?"))
        return outcome_done();
    return outcome_later("4.3.0", "nothing was written");
}

static struct outcome change(struct setup *setup)
{
    struct outcome outcome = setup_apply(setup);
    if (!outcome_good(&outcome))
        return outcome;
    bool wanted = changes_accounts(setup) || setup->aliases_text.length;
    bool online = !(setup->options.given & VERB_OFFLINE), dry = setup->options.given & VERB_DRY_RUN;
    if (wanted)
        outcome = confirm(setup);
    setup->changed = wanted && dry;
    if (!outcome_good(&outcome) || !wanted || dry)
        return outcome;
    if (online && changes_accounts(setup) && setup->account_count)
        outcome = sign_in(setup);
    if (outcome_good(&outcome) && changes_accounts(setup)) {
        outcome = save_files(setup);
        setup->changed = outcome_good(&outcome);
    }
    return outcome_good(&outcome) ? save_aliases(setup) : outcome;
}

static struct outcome run(struct setup *setup)
{
    struct outcome outcome = open_settings(setup);
    if (outcome_good(&outcome))
        outcome = find_wish(setup);
    if (outcome_good(&outcome))
        outcome = change(setup);
    bool json = setup->options.given & VERB_JSON;
    if (!outcome_good(&outcome) && !setup->changed && !(json && setup->findings.count))
        return outcome;
    if (outcome_good(&outcome) && !(setup->options.given & VERB_DRY_RUN))
        outcome = send_test(setup);
    if (json)
        setup_show_json(setup);
    else
        setup_show_end(setup);
    return outcome;
}

static void close_file(struct plan_file *file)
{
    save_free(&file->file);
    edit_free(&file->before);
    edit_free(&file->after);
}

static void tear_down(struct setup *setup)
{
    close_file(&setup->config);
    close_file(&setup->credentials);
    save_free(&setup->aliases);
    buffer_free(&setup->aliases_text);
    texts_free(&setup->alias_notes);
    texts_free(&setup->dropped);
    texts_free(&setup->removed);
    setup_forget_accounts(setup);
    settings_free(&setup->now);
    settings_free(&setup->then);
    wish_free(&setup->wish);
    import_free(&setup->import);
    finding_free(&setup->findings);
    buffer_free(&setup->test.words);
    file_close(&setup->lock);
    free(setup->path);
    free(setup->folder);
    free(setup->credentials_path);
    verb_free(&setup->options);
}

struct outcome setup_verb(int argc, char *const argv[])
{
    struct setup setup = {.lock = -1};
    memory_wipe_freed();
    struct outcome outcome = privilege_drop_group();
    if (outcome_good(&outcome))
        outcome = verb_parse(argc, argv, ALLOWED, &setup.options);
    setup.may_ask = question_may_be_asked() && !(setup.options.given & VERB_JSON);
    if (outcome_good(&outcome))
        outcome = run(&setup);
    tear_down(&setup);
    return outcome;
}

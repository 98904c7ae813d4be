/* See trial.h. The copies are edited from nothing, so that only the accounts are in them, and all
 * paths in them are whole. */
#include "setup/trial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/privilege.h"
#include "base/process.h"
#include "base/text.h"
#include "check/ask.h"
#include "config/values.h"
#include "setup/edit.h"
#include "setup/password.h"
#include "setup/save.h"

enum { MOST_ANSWER = 1 << 20 };

static const char section[] = "smarthost";
static const char config_name[] = "postrider.conf", credentials_name[] = "credentials.conf",
                  secret_name[] = "password";

/* ---- copies ---- */

static struct outcome set(struct edit *edit, const struct smarthost *account, const char *key,
                          const char *value)
{
    return *value ? edit_set(edit, section, account->name, key, value) : outcome_done();
}

static struct outcome set_list(struct edit *edit, const struct smarthost *account, const char *key,
                               const struct texts *items)
{
    struct buffer list = {0};
    for (size_t i = 0; i < items->count; i++)
        buffer_format(&list, "%s%s", i ? ", " : "", items->items[i]);
    struct outcome outcome = set(edit, account, key, buffer_text(&list));
    buffer_free(&list);
    return outcome;
}

static struct outcome put_account(struct edit *edit, const struct smarthost *account)
{
    char port[16];
    snprintf(port, sizeof port, "%u", account->port);
    const char *const pairs[][2] = {{"port", port},
                                    {"tls", value_tls_name(account->tls)},
                                    {"tls_trust", account->tls_trust},
                                    {"tls_fingerprint", account->tls_fingerprint},
                                    {"tls_certificate", account->tls_certificate},
                                    {"tls_key", account->tls_key},
                                    {"auth", value_auth_name(account->auth)},
                                    {"user", account->user},
                                    {"password_command", account->password_command}};
    struct outcome outcome = set_list(edit, account, "host", &account->hosts);
    if (outcome_good(&outcome))
        outcome = set_list(edit, account, "senders", &account->senders);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0] && outcome_good(&outcome); i++)
        outcome = set(edit, account, pairs[i][0], pairs[i][1]);
    return outcome;
}

/* A file in the folder, for its owner alone. */
static struct outcome put_file(int folder, const char *name, const struct buffer *text)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct outcome outcome = outcome_done();
    if (fd < 0 || !file_write(fd, buffer_text(text), text->length))
        outcome = outcome_errno(errno, "cannot write %s for a trial", name);
    file_close(&fd);
    return outcome;
}

/* Always a file of its own: it carries every password. */
static struct outcome put_password(int folder, struct edit *credentials,
                                   const struct trial_account *account, size_t number)
{
    char name[32];
    snprintf(name, sizeof name, "%s%zu", secret_name, number);
    struct outcome outcome = put_file(folder, name, account->password);
    return outcome_good(&outcome)
               ? edit_set(credentials, section, account->name, "password_file", name)
               : outcome;
}

static struct outcome fill(int folder, const struct settings *settings,
                           const struct trial_account *accounts, size_t count)
{
    struct edit config, credentials;
    struct outcome outcome = edit_open(&config, config_name, "", 0);
    struct outcome second = edit_open(&credentials, credentials_name, "", 0);
    if (outcome_good(&outcome))
        outcome = second;
    if (outcome_good(&outcome))
        outcome = edit_set(&config, "mail", "", "hostname", settings->hostname);
    if (outcome_good(&outcome))
        outcome = edit_set(&config, "mail", "", "domain", settings->domain);
    if (outcome_good(&outcome))
        outcome = edit_set(&config, "queue", "", "directory", "queue");
    for (size_t i = 0; i < count && outcome_good(&outcome); i++) {
        const struct smarthost *account = settings_smarthost(settings, accounts[i].name);
        if (!account)
            continue;
        outcome = put_account(&config, account);
        if (outcome_good(&outcome) && accounts[i].password)
            outcome = put_password(folder, &credentials, &accounts[i], i);
    }
    if (outcome_good(&outcome))
        outcome = put_file(folder, config_name, &config.text);
    if (outcome_good(&outcome))
        outcome = put_file(folder, credentials_name, &credentials.text);
    edit_free(&config);
    edit_free(&credentials);
    return outcome;
}

/* ---- the folder ---- */

/* A file, or a folder that has no folders in it. */
static void clear(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    if (!folder) {
        file_close(&fd);
        (void)unlinkat(parent, name, 0);
        return;
    }
    while ((entry = readdir(folder)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(fd, entry->d_name, 0);
    closedir(folder);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

void trial_sweep(const char *path, const struct buffer *settings)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(dup(fd));
    const struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        if (strncmp(entry->d_name, SAVE_PREFIX, strlen(SAVE_PREFIX)) == 0 &&
            !strstr(buffer_text(settings), entry->d_name))
            clear(fd, entry->d_name);
    if (folder)
        closedir(folder);
    file_close(&fd);
}

/* ---- what was found ---- */

/* The copies are gone when this is read: the folder that both files will be in stands for theirs.
 */
static void put_place(char **text, const char *copies, const char *folder)
{
    struct buffer changed = {0};
    const char *rest = *text, *found;
    while ((found = strstr(rest, copies))) {
        buffer_append(&changed, rest, (size_t)(found - rest));
        buffer_append_text(&changed, folder);
        rest = found + strlen(copies);
    }
    buffer_append_text(&changed, rest);
    free(*text);
    *text = buffer_take(&changed);
}

/* What is left of a remedy that names a copy: what to say instead, without the file that is not
 * written yet. */
static char *advice(const char *remedy, const char *copies)
{
    static const char otherwise[] = "give setup another user name or password";
    const char *end = strstr(remedy, "; run postrider setup");
    if (end)
        return memory_copy(remedy, (size_t)(end - remedy));
    const char *what = text_starts(remedy, "in ") ? strstr(strstr(remedy, copies), ": ") : NULL;
    if (what)
        return memory_copy(what + 2, strlen(what + 2));
    return memory_copy(otherwise, strlen(otherwise));
}

/* That a copy is as it should be is no news, and that it is to be mended no advice. */
static void settle(struct findings *findings, size_t first, const char *copies, const char *folder)
{
    size_t kept = first;
    for (size_t i = first; i < findings->count; i++) {
        struct finding *finding = &findings->items[i];
        if (finding->mark == FINDING_GOOD && strstr(finding->text, copies)) {
            free(finding->topic);
            free(finding->text);
            free(finding->remedy);
            continue;
        }
        put_place(&finding->text, copies, folder);
        if (finding->remedy && strstr(finding->remedy, copies)) {
            char *instead = advice(finding->remedy, copies);
            free(finding->remedy);
            finding->remedy = instead;
        }
        findings->items[kept++] = *finding;
    }
    findings->count = kept;
}

/* ---- asking ---- */

/* In a child: with the rights of who would run the queue, so that what he cannot read is found. */
static struct outcome become_runner(const char *folder)
{
    struct outcome outcome = privilege_become(POSTRIDER_USER);
    if (outcome_good(&outcome) && chdir(folder) < 0)
        outcome = outcome_errno(errno, "user %s cannot enter %s", POSTRIDER_USER, folder);
    return outcome;
}

static void ask(const char *folder, bool installed, int answer)
{
    struct findings findings = {0};
    struct buffer text = {0}, config = {0};
    struct outcome outcome = installed ? become_runner(folder) : outcome_done();
    buffer_format(&config, "%s/%s", folder, config_name);
    const char *const arguments[] = {"check",    "-C",           buffer_text(&config),
                                     "--online", "--smarthosts", NULL};
    if (outcome_good(&outcome))
        ask_program("postrider-run", arguments, &findings);
    else
        finding_add(&findings, FINDING_FAULT, "programs", "%s", outcome.reason);
    finding_format(&findings, &text);
    (void)file_write(answer, buffer_text(&text), text.length);
}

static struct outcome read_answer(int fd, struct findings *findings)
{
    struct buffer text = {.limit = MOST_ANSWER};
    char block[4096];
    ssize_t count;
    while ((count = file_read(fd, block, sizeof block)) > 0)
        buffer_append(&text, block, (size_t)count);
    bool good =
        count == 0 && !text.failed && finding_parse(buffer_text(&text), text.length, findings);
    buffer_free(&text);
    return good ? outcome_done()
                : outcome_later("4.3.0", "it is not known whether the sign-in would work");
}

/* A signal ends the child, and has its way with us when the copies are gone. What the child has
 * started ends by itself. */
static volatile sig_atomic_t caught;
static volatile pid_t asked;

static void note_signal(int number)
{
    caught = number;
    if (asked > 0)
        kill(asked, SIGKILL);
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

static struct outcome ask_in_child(const char *folder, bool installed, struct findings *findings)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return outcome_errno(errno, "cannot ask postrider-run");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        /* With nothing else of ours, such as the lock, should it be left alone. */
        if (dup2(ends[1], 3) < 0)
            _exit(EX_OSERR);
        process_close_from(4);
        ask(folder, installed, 3);
        _exit(EX_OK);
    }
    asked = child;
    if (caught && child > 0)
        kill(child, SIGKILL);
    close(ends[1]);
    struct outcome outcome = child < 0 ? outcome_errno(errno, "cannot ask postrider-run")
                                       : read_answer(ends[0], findings);
    close(ends[0]);
    if (child > 0)
        (void)process_wait(child);
    asked = 0;
    return outcome;
}

/* ---- the whole ---- */

static struct outcome give_to_runner(const char *path, int folder)
{
    const struct passwd *user = getpwnam(POSTRIDER_USER);
    if (!user)
        return outcome_refuse(EX_OSFILE, "there is no user %s: make install makes it",
                              POSTRIDER_USER);
    DIR *list = fdopendir(dup(folder));
    const struct dirent *entry;
    bool good = list != NULL;
    while (good && (entry = readdir(list)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            good = fchownat(folder, entry->d_name, user->pw_uid, user->pw_gid,
                            AT_SYMLINK_NOFOLLOW) == 0;
    /* Last: from then on he could put links to others' files there. */
    good = good && fchown(folder, user->pw_uid, user->pw_gid) == 0;
    struct outcome outcome =
        good ? outcome_done()
             : outcome_errno(errno, "cannot give %s to user %s", path, POSTRIDER_USER);
    if (list)
        closedir(list);
    return outcome;
}

static struct outcome run(const struct settings *settings, char *path, bool installed,
                          const struct trial_account *accounts, size_t count,
                          struct findings *findings)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return outcome_errno(errno, "cannot open %s", path);
    struct outcome outcome = fill(folder, settings, accounts, count);
    if (outcome_good(&outcome) && installed)
        outcome = give_to_runner(path, folder);
    file_close(&folder);
    return outcome_good(&outcome) ? ask_in_child(path, installed, findings) : outcome;
}

struct outcome trial_run(const struct settings *settings, const char *folder, bool installed,
                         const struct trial_account *accounts, size_t count,
                         struct findings *findings)
{
    struct sigaction note = {.sa_handler = note_signal}, before[SIGNALS];
    struct buffer path = {0};
    caught = 0;
    sigemptyset(&note.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &note, &before[i]);
    buffer_format(&path, "%s/%sXXXXXX", folder, SAVE_PREFIX);
    struct outcome outcome;
    if (!mkdtemp(path.data))
        outcome = outcome_errno(errno, "cannot make a folder in %s", folder);
    else {
        size_t first = findings->count;
        outcome = run(settings, path.data, installed, accounts, count, findings);
        settle(findings, first, path.data, folder);
        clear(AT_FDCWD, path.data);
    }
    buffer_free(&path);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    if (caught)
        raise(caught);
    return outcome;
}

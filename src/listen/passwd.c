/*
 * The arguments of passwd, which users file they mean, and what is done with it. Runs with its
 * caller's own rights: whoever may write the file may do all of this. Never takes a password from
 * its arguments, which everybody can see.
 */
#include "listen/passwd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/memory.h"
#include "config/settings.h"
#include "listen/password.h"
#include "listen/users.h"
#include "listen/users_change.h"

struct task {
    const char *config; /* NULL: the installed settings */
    const char *file;   /* NULL: the one that they name */
    const char *name;
    bool is_deletion, is_check;
};

static struct outcome read_arguments(int argc, char *const argv[], struct task *task)
{
    bool ended = false;
    for (int i = 1; i < argc; i++) {
        if (!ended && strcmp(argv[i], "--") == 0)
            ended = true;
        else if (!ended && strcmp(argv[i], "-C") == 0 && i + 1 < argc)
            task->config = argv[++i];
        else if (!ended && strcmp(argv[i], "--file") == 0 && i + 1 < argc)
            task->file = argv[++i];
        else if (!ended && strcmp(argv[i], "--delete") == 0)
            task->is_deletion = true;
        else if (!ended && strcmp(argv[i], "--check") == 0)
            task->is_check = true;
        else if (task->name || (!ended && argv[i][0] == '-'))
            return outcome_refuse(EX_USAGE, "passwd does not know \"%.100s\"", argv[i]);
        else
            task->name = argv[i];
    }
    if (!task->name)
        return outcome_refuse(EX_USAGE, "whose password? passwd needs the name of a user");
    if (task->is_deletion && task->is_check)
        return outcome_refuse(EX_USAGE, "--delete and --check: which?");
    return outcome_done();
}

/* The users file of the first [listen] section that has one; the caller frees. */
static struct outcome find_file(const struct task *task, char **path)
{
    struct settings settings;
    struct outcome outcome = settings_load(task->config, &settings);
    for (size_t i = 0; outcome_good(&outcome) && i < settings.listener_count && !*path; i++)
        if (*settings.listeners[i].users)
            *path = memory_copy(settings.listeners[i].users, strlen(settings.listeners[i].users));
    if (outcome_good(&outcome) && !*path)
        outcome = outcome_refuse(EX_CONFIG,
                                 "no [listen] section has a users file: write \"users = FILE\" "
                                 "into it, or name one with --file");
    settings_free(&settings);
    return outcome;
}

static struct outcome check_password(const char *path, const char *name, const char *password)
{
    struct users users;
    unsigned char secret[SASL_SECRET_SIZE];
    users_make_secret(secret);
    struct outcome outcome = users_open(path, secret, &users);
    if (outcome_good(&outcome))
        outcome = users_check_password(&users, name, password);
    if (outcome.result == NEVER)
        outcome.exit_status = EX_NOPERM;
    users_close(&users);
    return outcome;
}

static struct outcome perform(const struct task *task, const char *path, const char *name)
{
    bool installed = !task->config && geteuid() == 0;
    if (task->is_deletion)
        return users_delete(path, installed, name);
    struct buffer password = {0};
    struct outcome outcome = password_read(!task->is_check, &password);
    if (outcome_good(&outcome))
        outcome = task->is_check ? check_password(path, name, buffer_text(&password))
                                 : users_put(path, installed, name, buffer_text(&password));
    buffer_wipe(&password);
    return outcome;
}

static void report(const struct task *task, const char *path, const char *name)
{
    if (task->is_deletion)
        printf("%s: %s is taken out\n", path, name);
    else if (task->is_check)
        printf("%s: the password of %s is right\n", path, name);
    else
        printf("%s: %s has a new password\n", path, name);
}

struct outcome passwd_run(int argc, char *const argv[])
{
    struct task task = {0};
    struct buffer name = {0};
    char *path = NULL;
    const char *why;
    memory_wipe_freed();
    struct outcome outcome = read_arguments(argc, argv, &task);
    if (outcome_good(&outcome) && !users_prepare_name(task.name, &name, &why))
        outcome = outcome_refuse(EX_USAGE, "%s", why);
    if (outcome_good(&outcome) && task.file)
        path = memory_copy(task.file, strlen(task.file));
    else if (outcome_good(&outcome))
        outcome = find_file(&task, &path);
    if (outcome_good(&outcome))
        outcome = perform(&task, path, buffer_text(&name));
    if (outcome_good(&outcome))
        report(&task, path, buffer_text(&name));
    buffer_free(&name);
    free(path);
    return outcome;
}

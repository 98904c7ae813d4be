/*
 * Findings that need the runner's rights and libraries: secrets, keys, the network. Root becomes
 * the user who runs the queue, for what root can read says nothing. Never prints a secret.
 */
#include "run/check.h"

#include <pwd.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/privilege.h"
#include "check/aliases.h"
#include "check/finding.h"
#include "config/paths.h"
#include "config/settings.h"
#include "run/check_online.h"
#include "run/check_secrets.h"

struct task {
    const char *config; /* NULL: the installed settings */
    bool online, smarthosts_only;
};

static struct outcome read_arguments(int argc, char *const argv[], struct task *task)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "-C") == 0 && i + 1 < argc)
            task->config = argv[++i];
        else if (strcmp(argv[i], "--online") == 0)
            task->online = true;
        else if (strcmp(argv[i], "--smarthosts") == 0)
            task->smarthosts_only = true;
        else
            return outcome_refuse(EX_USAGE, "check does not know \"%.100s\"", argv[i]);
    return outcome_done();
}

/* Whether this is the process of the user who runs the queue. */
static bool is_runner(const struct task *task)
{
    const struct passwd *user = task->config ? NULL : getpwnam(POSTRIDER_USER);
    return task->config || (user && user->pw_uid == geteuid());
}

static void look(const struct task *task, const struct settings *settings,
                 struct findings *findings)
{
    const bool runner = is_runner(task);
    if (!task->smarthosts_only)
        check_aliases(settings, task->config != NULL, !runner, findings);
    if (runner)
        check_credentials(settings, task->config != NULL, findings);
    if (runner && !task->smarthosts_only)
        check_dkim(settings, findings);
    if (task->online)
        check_online(settings, task->smarthosts_only, findings);
}

struct outcome check_run(int argc, char *const argv[])
{
    struct task task = {0};
    struct settings settings = {0};
    struct findings findings = {0};
    memory_wipe_freed();
    struct outcome outcome = read_arguments(argc, argv, &task);
    if (outcome_good(&outcome))
        outcome = settings_load(task.config, &settings);
    if (outcome_good(&outcome) && !task.config && getuid() == 0)
        outcome = privilege_become(POSTRIDER_USER);
    if (outcome_good(&outcome)) {
        look(&task, &settings, &findings);
        finding_print(&findings);
    }
    finding_free(&findings);
    settings_free(&settings);
    return outcome;
}

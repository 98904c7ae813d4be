/*
 * The order in which the front door trusts things. What its caller chose (a settings file, an
 * environment) and the group `postrider` never come together: either the choice falls on the
 * installed settings, and the environment is taken away, or the group is, before the file is
 * opened. Knows nothing of messages.
 */
#include "sendmail/office.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/privilege.h"
#include "config/paths.h"

/* A zone's name as in "Europe/Berlin" or "UTC": no path that leads elsewhere. */
static bool is_zone_name(const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
    size_t length = strlen(text);
    return length > 0 && length < 64 && text[0] != '/' && strspn(text, allowed) == length;
}

/* Whatever a library might read from the caller's environment is gone after this. */
static struct outcome forget_environment(void)
{
    const char *zone = getenv("TZ");
    char *kept = zone && is_zone_name(zone) ? memory_copy(zone, strlen(zone)) : NULL;
    struct outcome outcome = outcome_done();
    if (clearenv() != 0 || setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1) < 0 ||
        (kept && setenv("TZ", kept, 1) < 0))
        outcome = outcome_errno(errno, "cannot clean the environment");
    free(kept);
    return outcome;
}

bool office_is_installed(const char *path)
{
    char *given = realpath(path, NULL);
    char *installed = realpath(POSTRIDER_CONFIG, NULL);
    bool same = given && installed ? strcmp(given, installed) == 0
                                   : !given && strcmp(path, POSTRIDER_CONFIG) == 0;
    free(given);
    free(installed);
    return same;
}

char *office_own_path(void)
{
    const char *folder = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    struct buffer path = {0};
    if (folder && folder[0] == '/')
        buffer_format(&path, "%s/postrider/postrider.conf", folder);
    else if (home && home[0] == '/')
        buffer_format(&path, "%s/.config/postrider/postrider.conf", home);
    return path.length ? buffer_take(&path) : NULL;
}

/*
 * The caller's own settings file, which the caller frees; NULL when there is none to be used. It
 * has to be a file that the real user may read, and his (or root's): HOME may be another's, left
 * over from su or chosen by whoever called a set-user-ID program that now calls us.
 */
static char *find_own_file(void)
{
    if (getuid() == 0 || getuid() != geteuid())
        return NULL;
    char *path = office_own_path();
    struct stat info;
    if (path && access(path, R_OK) == 0 && stat(path, &info) == 0 && S_ISREG(info.st_mode) &&
        (info.st_uid == getuid() || info.st_uid == 0))
        return path;
    free(path);
    return NULL;
}

/*
 * Never makes an installed log file: it would belong to whichever user submits first. Nor does a
 * log file that cannot be written keep mail from being taken.
 */
static void open_log_file(const struct office *office)
{
    const char *path = office->settings.log_file;
    if (!office->config && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0)
        return;
    struct outcome outcome = log_to_file(path);
    if (!outcome_good(&outcome))
        log_notice("%s", outcome.reason);
}

struct outcome office_open(const char *config, struct office *office)
{
    *office = (struct office){0};
    char *own = config ? NULL : find_own_file();
    if (own)
        config = own;
    struct outcome outcome = outcome_done();
    if (config && !office_is_installed(config)) {
        outcome = privilege_drop_group();
        /* The runner goes to another folder: it needs the whole path. */
        office->config = realpath(config, NULL);
        if (!office->config)
            office->config = memory_copy(config, strlen(config));
    } else if (privilege_has_group()) {
        outcome = forget_environment();
    }
    free(own);
    if (outcome_good(&outcome))
        outcome = settings_load(office->config, &office->settings);
    if (outcome_good(&outcome))
        open_log_file(office);
    return outcome;
}

/* Whether our file has the bit that should have given us the group, and did not. */
static bool is_kept_from_group(void)
{
    struct stat program;
    return privilege_is_barred() && geteuid() != 0 && stat("/proc/self/exe", &program) == 0 &&
           (program.st_mode & S_ISGID) && getegid() != program.st_gid;
}

struct outcome office_open_queue(struct office *office)
{
    bool own = office->config != NULL;
    struct outcome outcome = queue_open(office->settings.queue_directory, own, &office->queue);
    office->queue_open = true;
    bool writable =
        outcome_good(&outcome) && faccessat(office->queue.spool, ".", W_OK | X_OK, AT_EACCESS) == 0;
    if (!own && !writable && is_kept_from_group())
        return outcome_refuse(
            EX_NOPERM,
            "the queue cannot be written: this process may gain no privileges (NoNewPrivileges), "
            "so the group of this program was not given to it; set NoNewPrivileges=no for the "
            "service that calls it, or give it settings and a queue of its own with -C FILE");
    if (!own && !outcome_good(&outcome))
        return outcome_refuse(outcome.exit_status,
                              "%s; postrider check, as root, says how to mend it", outcome.reason);
    return outcome;
}

void office_close(struct office *office)
{
    if (office->queue_open)
        queue_close(&office->queue);
    settings_free(&office->settings);
    free(office->config);
    *office = (struct office){0};
}

bool office_is_master(const struct office *office)
{
    struct stat folder;
    return getuid() == 0 || office->config != NULL ||
           (stat(office->settings.queue_directory, &folder) == 0 && folder.st_uid == getuid());
}

/* See files.h. */
#include "check/files.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/memory.h"
#include "config/paths.h"

enum { LEAST_BYTES = 1 << 20, USUAL_MAILBOXES = 02775 };

/* ---- the settings ---- */

/* Who can put another file in its place as well. */
static bool check_folder(const char *path, const struct account *account, struct findings *findings)
{
    const char *slash = strrchr(path, '/');
    char *folder = memory_copy(path, slash > path ? (size_t)(slash - path) : 1);
    const struct rights rights = {.path = folder,
                                  .topic = "settings",
                                  .else_ = "others than root could say where mail goes",
                                  .is_folder = true,
                                  .must = 0111,
                                  .may = 0755,
                                  .ordinary = 0755};
    const bool good = rights_check(&rights, account, findings);
    free(folder);
    return good;
}

/* Who can write the file says where everybody's mail goes. */
static bool check_installed(const char *path, const struct account *account,
                            struct findings *findings)
{
    struct stat status;
    /* The front door has this group. */
    bool of_group = stat(path, &status) == 0 && status.st_gid == account->gid;
    const struct rights rights = {.path = path,
                                  .topic = "settings",
                                  .else_ = "others than root could say where mail goes, or users "
                                           "cannot read it",
                                  .must = of_group ? 0440 : 0444,
                                  .may = 0644,
                                  .ordinary = 0644};
    const bool good = rights_check(&rights, account, findings);
    return check_folder(path, account, findings) && good;
}

static bool check_own(const char *path, struct findings *findings)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return false;
    bool foreign = status.st_uid != getuid() && status.st_uid != 0;
    bool shared =
        (status.st_mode & S_IWOTH) || ((status.st_mode & S_IWGRP) && status.st_gid != getgid());
    if (!foreign && !shared)
        return true;
    char *word = shell_word(path);
    finding_add(findings, FINDING_WARNING, "settings", "%s %s: others can say where your mail goes",
                path, foreign ? "belongs to another user" : "can be written by others");
    finding_remedy(findings, foreign ? "cp %s to a file of your own" : "chmod go-w %s", word);
    free(word);
    return false;
}

void check_settings_file(const struct settings *settings, const struct account *account,
                         struct findings *findings)
{
    const char *path = settings->path;
    if (!*path) {
        finding_add(findings, FINDING_HINT, "settings",
                    "there is no %s: everything is as if it were empty", POSTRIDER_CONFIG);
        finding_remedy(findings, "postrider setup");
        return;
    }
    if (account ? check_installed(path, account, findings) : check_own(path, findings))
        finding_add(findings, FINDING_GOOD, "settings", "%s is understood", path);
}

/* ---- mailboxes ---- */

static void check_room(const char *folder, struct findings *findings)
{
    struct statvfs system;
    if (statvfs(folder, &system) < 0)
        return;
    if (!(system.f_flag & ST_RDONLY) &&
        (unsigned long long)system.f_bavail * system.f_frsize >= LEAST_BYTES)
        return;
    finding_add(findings, FINDING_FAULT, "mailboxes", "%s is %s: mail for mailboxes waits", folder,
                system.f_flag & ST_RDONLY ? "mounted read-only" : "on a file system that is full");
    char *word = shell_word(folder);
    finding_remedy(findings, "df -h %s", word);
    free(word);
}

/* Debian has 2775 root:mail, so that mail readers can make their locks; others 1777. */
static void check_shared(const char *folder, const struct stat *status, struct findings *findings)
{
    const struct group *mail = getgrnam("mail");
    bool open = (status->st_mode & S_IWOTH) && !(status->st_mode & S_ISVTX);
    bool refused =
        strcmp(folder, POSTRIDER_MAILDIR) != 0 && (!mail || status->st_gid != mail->gr_gid);
    bool usual =
        (status->st_mode & S_ISVTX) || ((status->st_mode & USUAL_MAILBOXES) == USUAL_MAILBOXES &&
                                        mail && status->st_gid == mail->gr_gid);
    if (status->st_uid != 0 || open) {
        finding_add(findings, FINDING_FAULT, "mailboxes",
                    "%s %s: users could put files in the place of each other's mailboxes, so mail "
                    "for mailboxes waits",
                    folder, open ? "can be written by everybody" : "is not root's");
    } else if (refused) {
        finding_add(findings, FINDING_FAULT, "mailboxes",
                    "%s is not of the group mail, as any folder for mailboxes but %s must be: mail "
                    "for mailboxes waits",
                    folder, POSTRIDER_MAILDIR);
    } else if (!usual) {
        finding_add(findings, FINDING_HINT, "mailboxes",
                    "%s is not of the group mail with mode 2775: mail gets there, but some mail "
                    "readers cannot lock a mailbox",
                    folder);
    } else {
        finding_add(findings, FINDING_GOOD, "mailboxes", "%s has its owner and mode", folder);
        return;
    }
    char *word = shell_word(folder);
    finding_remedy(findings, "chown root:mail %s && chmod 2775 %s", word, word);
    free(word);
}

void check_mailboxes(const struct settings *settings, const struct account *account,
                     struct findings *findings)
{
    const char *folder = settings->mailbox_directory;
    char *word = shell_word(folder);
    struct stat status;
    if (stat(folder, &status) < 0 || !S_ISDIR(status.st_mode)) {
        finding_add(findings, FINDING_FAULT, "mailboxes",
                    "there is no folder %s: mail for mailboxes waits", folder);
        if (account)
            finding_remedy(findings, "install -d -o root -g mail -m 2775 %s", word);
        else
            finding_remedy(findings, "mkdir -p %s", word);
    } else if (account) {
        check_shared(folder, &status, findings);
        check_room(folder, findings);
    } else if (access(folder, W_OK | X_OK) < 0) {
        finding_add(findings, FINDING_FAULT, "mailboxes",
                    "your mailbox cannot be written in %s: %s", folder, strerror(errno));
        finding_remedy(findings, "set mailbox_directory in [mail] to a folder of yours");
    } else {
        finding_add(findings, FINDING_GOOD, "mailboxes", "%s can be written", folder);
        check_room(folder, findings);
    }
    free(word);
}

/* ---- the log ---- */

/* The front door writes with the account's group, the runner and the listener as its user. */
static bool is_writable(const struct stat *status, const struct account *account)
{
    if (!account)
        return true;
    bool user = status->st_uid == account->uid   ? status->st_mode & S_IWUSR
                : status->st_gid == account->gid ? status->st_mode & S_IWGRP
                                                 : status->st_mode & S_IWOTH;
    bool group =
        status->st_gid == account->gid ? status->st_mode & S_IWGRP : status->st_mode & S_IWOTH;
    return user && group;
}

static void check_log_file(const char *path, const struct account *account,
                           struct findings *findings)
{
    struct stat status;
    char *word = shell_word(path);
    bool there = stat(path, &status) == 0;
    bool unknown = !there && errno == EACCES;
    if (there && !S_ISREG(status.st_mode)) {
        finding_add(findings, FINDING_WARNING, "log", "log_file %s is no file", path);
        finding_remedy(findings, "set log_file in [mail] to a file");
        free(word);
        return;
    }
    if (!there && !unknown && account) {
        finding_add(findings, FINDING_WARNING, "log",
                    "there is no log_file %s, and nobody but root may make one there", path);
        finding_remedy(findings, "install -o %s -g %s -m 0660 /dev/null %s", POSTRIDER_USER,
                       POSTRIDER_USER, word);
    } else if (there && !(account ? is_writable(&status, account) : access(path, W_OK) == 0)) {
        finding_add(findings, FINDING_WARNING, "log",
                    "log_file %s cannot be written by %s: what happens is not noted down there",
                    path, account ? "the user and the group " POSTRIDER_USER : "you");
        if (account)
            finding_remedy(findings, "chown %s:%s %s && chmod 0660 %s", POSTRIDER_USER,
                           POSTRIDER_USER, word, word);
        else
            finding_remedy(findings, "chmod u+w %s", word);
    } else if (there) {
        finding_add(findings, FINDING_GOOD, "log", "%s can be written", path);
    }
    free(word);
}

void check_log(const struct settings *settings, const struct account *account,
               struct findings *findings)
{
    bool syslog = access("/dev/log", F_OK) == 0;
    if (*settings->log_file) {
        check_log_file(settings->log_file, account, findings);
    } else if (!syslog) {
        finding_add(findings, FINDING_HINT, "log",
                    "nothing keeps the log: there is no syslog on this machine, and no log_file");
        finding_remedy(findings, "set log_file in [mail]");
    } else {
        finding_add(findings, FINDING_GOOD, "log", "syslog keeps the log");
    }
}

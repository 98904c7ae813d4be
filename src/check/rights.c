/* See rights.h. */
#include "check/rights.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "config/paths.h"

enum { PERMISSIONS = 07777 };

bool account_find(struct account *account, struct findings *findings)
{
    const struct passwd *user = getpwnam(POSTRIDER_USER);
    if (!user) {
        finding_add(findings, FINDING_FAULT, "programs",
                    "there is no user " POSTRIDER_USER
                    ", to whom the queue belongs and who runs it");
        finding_remedy(findings, "useradd --system --user-group --home-dir " POSTRIDER_SPOOL
                                 " --no-create-home --shell /usr/sbin/nologin " POSTRIDER_USER);
        return false;
    }
    *account = (struct account){user->pw_uid, user->pw_gid};
    return true;
}

char *shell_word(const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@%:=,";
    struct buffer word = {0};
    if (*text && strspn(text, plain) == strlen(text))
        return memory_copy(text, strlen(text));
    buffer_append_byte(&word, '\'');
    for (; *text; text++)
        if (*text == '\'')
            buffer_append_text(&word, "'\\''");
        else
            buffer_append_byte(&word, *text);
    buffer_append_byte(&word, '\'');
    return buffer_take(&word);
}

/* "2755 root:postrider" */
static char *describe(mode_t mode, uid_t uid, gid_t gid)
{
    struct buffer words = {0};
    const struct passwd *user = getpwuid(uid);
    const struct group *group = getgrgid(gid);
    buffer_format(&words, "%04o ", (unsigned)(mode & PERMISSIONS));
    if (user)
        buffer_append_text(&words, user->pw_name);
    else
        buffer_format(&words, "%lu", (unsigned long)uid);
    if (group)
        buffer_format(&words, ":%s", group->gr_name);
    else
        buffer_format(&words, ":%lu", (unsigned long)gid);
    return buffer_take(&words);
}

static void add_remedy(const struct rights *rights, struct findings *findings)
{
    char *path = shell_word(rights->path);
    const char *owner = rights->is_ours ? POSTRIDER_USER : "root";
    const char *group = rights->of_group ? POSTRIDER_USER : "root";
    unsigned mode = (unsigned)rights->ordinary;
    if (rights->is_folder)
        finding_remedy(findings, "install -d -o %s -g %s -m %04o %s", owner, group, mode, path);
    else /* a change of the owner takes set-ID bits away */
        finding_remedy(findings, "chown %s:%s %s && chmod %04o %s", owner, group, path, mode, path);
    free(path);
}

static void say_missing(const struct rights *rights, struct findings *findings)
{
    finding_add(findings, FINDING_FAULT, rights->topic, "there is no %s: %s", rights->path,
                rights->else_);
    if (rights->is_folder)
        add_remedy(rights, findings);
    else
        finding_remedy(findings, "install Postrider again");
}

static void say_wrong(const struct rights *rights, const struct account *account,
                      const struct stat *status, struct findings *findings)
{
    uid_t uid = rights->is_ours ? account->uid : 0;
    gid_t gid = rights->of_group ? account->gid : status->st_gid;
    mode_t excess = status->st_mode & ~rights->may & PERMISSIONS;
    bool harmful = status->st_uid != uid || status->st_gid != gid ||
                   (rights->must & ~status->st_mode) ||
                   (excess & (S_ISUID | S_ISGID | S_IWGRP | S_IRWXO));
    char *is = describe(status->st_mode, status->st_uid, status->st_gid);
    char *wanted = describe(rights->ordinary, uid, gid);
    finding_add(findings, harmful ? FINDING_FAULT : FINDING_WARNING, rights->topic,
                "%s is %s, and should be %s: %s", rights->path, is, wanted, rights->else_);
    add_remedy(rights, findings);
    free(is);
    free(wanted);
}

bool rights_check(const struct rights *rights, const struct account *account,
                  struct findings *findings)
{
    struct stat status;
    if (stat(rights->path, &status) < 0) {
        if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
            say_missing(rights, findings);
        return errno == EACCES;
    }
    if (rights->is_folder ? !S_ISDIR(status.st_mode) : !S_ISREG(status.st_mode)) {
        finding_add(findings, FINDING_FAULT, rights->topic, "%s is no %s: %s", rights->path,
                    rights->is_folder ? "folder" : "file", rights->else_);
        return false;
    }
    if (status.st_uid == (rights->is_ours ? account->uid : 0) &&
        (!rights->of_group || status.st_gid == account->gid) &&
        (rights->must & ~status.st_mode) == 0 && (status.st_mode & PERMISSIONS & ~rights->may) == 0)
        return true;
    say_wrong(rights, account, &status, findings);
    return false;
}

/*
 * See programs.h. Looks at the places where make install puts programs, whichever copy of them this
 * is.
 */
#include "check/programs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/privilege.h"
#include "config/paths.h"

static const char topic[] = "programs";
static const char front_door[] = POSTRIDER_SBINDIR "/postrider";

#define HELPER(name) POSTRIDER_LIBEXECDIR "/" name

static const struct rights programs[] = {
    {.path = front_door,
     .else_ = "users cannot put mail into the queue, or too many can change the program",
     .of_group = true,
     .must = 02111,
     .may = 02755,
     .ordinary = 02755},
    {.path = HELPER("postrider-local"),
     .else_ = "no queue run starts and no mail reaches a mailbox, or too many can call it",
     .of_group = true,
     .must = 04110,
     .may = 04750,
     .ordinary = 04750},
    {.path = HELPER("postrider-run"),
     .else_ = "the queue is not run, or others than root could change how",
     .must = 0111,
     .may = 0755,
     .ordinary = 0755},
    {.path = HELPER("postrider-listen"),
     .else_ = "no mail is taken in, or others than root could change how",
     .must = 0111,
     .may = 0755,
     .ordinary = 0755},
    {.path = HELPER("postrider-mailbox"),
     .else_ = "users with settings of their own get no mail, or others than root could change how",
     .must = 0111,
     .may = 0755,
     .ordinary = 0755},
    {.path = POSTRIDER_SBINDIR,
     .else_ = "programs could be put there in place of ours",
     .is_folder = true,
     .must = 0111,
     .may = 03755,
     .ordinary = 0755},
    {.path = POSTRIDER_LIBEXECDIR,
     .else_ = "programs could be put there in place of ours",
     .is_folder = true,
     .must = 0111,
     .may = 03755,
     .ordinary = 0755},
};

/* ---- set-ID bits ---- */

/* Where the file system of this path begins; the caller frees. */
static char *find_mount(const char *path)
{
    char *point = memory_copy(path, strlen(path));
    struct stat status, above;
    for (;;) {
        char *slash = strrchr(point, '/');
        char *parent = memory_copy(point, slash && slash > point ? (size_t)(slash - point) : 1);
        if (strcmp(point, "/") == 0 || !slash || stat(point, &status) < 0 ||
            stat(parent, &above) < 0 || status.st_dev != above.st_dev) {
            free(parent);
            return point;
        }
        free(point);
        point = parent;
    }
}

static void check_mount(const char *path, struct findings *findings)
{
    struct statvfs system;
    if (statvfs(path, &system) < 0 || !(system.f_flag & ST_NOSUID))
        return;
    char *point = find_mount(path);
    char *word = shell_word(point);
    finding_add(findings, FINDING_FAULT, topic,
                "%s is mounted with nosuid: the set-ID bit of %s means nothing there", point, path);
    finding_remedy(findings, "mount -o remount,suid %s # and take nosuid out of /etc/fstab", word);
    free(word);
    free(point);
}

/* Only of what calls us from here: elsewhere it may be otherwise. */
static void check_barred(struct findings *findings)
{
    if (!privilege_is_barred())
        return;
    finding_add(findings, FINDING_HINT, topic,
                "this very process may gain no privileges (NoNewPrivileges): what is called from "
                "where you are cannot put mail into the queue");
    finding_remedy(findings, "set NoNewPrivileges=no for the service, or let it hand its mail to a "
                             "listener on 127.0.0.1");
}

/* ---- sendmail and its kin ---- */

static const struct name {
    const char *path;
    const char *target; /* of the link that make install makes */
    enum finding_mark missing;
} names[] = {
    {POSTRIDER_SBINDIR "/sendmail", "postrider", FINDING_FAULT},
    {POSTRIDER_LIBDIR "/sendmail", POSTRIDER_SBINDIR "/sendmail", FINDING_HINT},
    {POSTRIDER_BINDIR "/mailq", front_door, FINDING_HINT},
    {POSTRIDER_BINDIR "/newaliases", front_door, FINDING_HINT},
};

static void say_foreign(const struct name *name, const char *leads_to, struct findings *findings)
{
    finding_add(findings, FINDING_WARNING, topic,
                "%s is another program, %s: who calls it does "
                "not call Postrider",
                name->path, leads_to);
    if (access("/usr/bin/dpkg-divert", X_OK) == 0)
        finding_remedy(findings,
                       "dpkg-divert --local --rename --divert %s.displaced --add %s && ln -sf %s "
                       "%s",
                       name->path, name->path, name->target, name->path);
    else
        finding_remedy(findings, "mv %s %s.displaced && ln -s %s %s", name->path, name->path,
                       name->target, name->path);
}

static bool check_name(const struct name *name, const char *ours, struct findings *findings)
{
    char *found = realpath(name->path, NULL);
    bool good = found && strcmp(found, ours) == 0;
    if (!found && errno == ENOENT) {
        finding_add(findings, name->missing, topic, "there is no %s, which programs call",
                    name->path);
        finding_remedy(findings, "ln -sf %s %s", name->target, name->path);
    } else if (found && !good) {
        say_foreign(name, found, findings);
    }
    free(found);
    return good;
}

static void check_names(struct findings *findings)
{
    char *ours = realpath(front_door, NULL);
    bool good = ours != NULL;
    for (size_t i = 0; ours && i < sizeof names / sizeof names[0]; i++)
        good = check_name(&names[i], ours, findings) && good;
    if (good)
        finding_add(findings, FINDING_GOOD, topic, "sendmail, mailq and newaliases lead to %s",
                    ours);
    free(ours);
}

void check_programs(const struct account *account, struct findings *findings)
{
    bool good = account != NULL;
    for (size_t i = 0; account && i < sizeof programs / sizeof programs[0]; i++) {
        struct rights rights = programs[i];
        rights.topic = topic;
        good = rights_check(&rights, account, findings) && good;
    }
    if (good)
        finding_add(findings, FINDING_GOOD, topic, "%s and its helpers have their owners and modes",
                    front_door);
    check_mount(front_door, findings);
    check_mount(HELPER("postrider-local"), findings);
    check_barred(findings);
    check_names(findings);
}

/* Giving privileges up, in one order, verified. */
#include "base/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

/* Where the machine has it so (fs.suid_dumpable), whoever changes ids may leave a core again. */
static void leave_no_core(void)
{
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

struct outcome privilege_drop_group(void)
{
    gid_t gid = getgid();
    if (setresgid(gid, gid, gid) < 0)
        return outcome_errno(errno, "cannot give the group privilege up");
    gid_t real, effective, saved;
    if (getresgid(&real, &effective, &saved) < 0 || effective != gid || saved != gid)
        return outcome_errno(EPERM, "the group privilege does not go away");
    leave_no_core();
    return outcome_done();
}

struct outcome privilege_become(const char *name)
{
    const struct passwd *user = getpwnam(name);
    if (!user || user->pw_uid == 0)
        return outcome_refuse(EX_OSERR, "there is no user %s", name);
    uid_t uid = user->pw_uid;
    gid_t gid = user->pw_gid;
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return outcome_refuse(EX_NOPERM, "cannot become user %s: %s", name, strerror(errno));
    if (setuid(0) == 0 || geteuid() != uid || getegid() != gid)
        return outcome_refuse(EX_OSERR, "root's rights do not go away");
    leave_no_core();
    return outcome_done();
}

struct outcome privilege_drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    struct __user_cap_data_struct left[_LINUX_CAPABILITY_U32S_3];
    /* What others could be given by a program that we become; who may not say so has few himself.
     */
    for (unsigned long each = 0; prctl(PR_CAPBSET_READ, each, 0, 0, 0) >= 0; each++)
        (void)prctl(PR_CAPBSET_DROP, each, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) < 0 || syscall(SYS_capget, &header, left) < 0)
        return outcome_errno(errno, "cannot give capabilities up");
    if (memcmp(left, none, sizeof none) != 0)
        return outcome_errno(EPERM, "the capabilities do not go away");
    return outcome_done();
}

bool privilege_has_group(void)
{
    return getgid() != getegid();
}

bool privilege_is_barred(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

/* Giving privileges up, in one order, verified. */
#include "base/privilege.h"

#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

struct outcome privilege_drop_group(void)
{
    gid_t gid = getgid();
    if (setresgid(gid, gid, gid) < 0)
        return outcome_errno(errno, "cannot give the group privilege up");
    gid_t real, effective, saved;
    if (getresgid(&real, &effective, &saved) < 0 || effective != gid || saved != gid)
        return outcome_errno(EPERM, "the group privilege does not go away");
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

/* Who calls for what, how root's rights go, and the end of all jobs. */
#include "local/local.h"

#include <grp.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

void end(int status, const char *format, ...)
{
    mailbox_unlock();
    va_list arguments;
    va_start(arguments, format);
    vdprintf(2, format, arguments);
    va_end(arguments);
    dprintf(2, "\n");
    _exit(status);
}

void become(uid_t uid, gid_t gid)
{
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        end(EX_OSERR, "cannot become user %ld", (long)uid);
    if (uid != 0 && setuid(0) == 0)
        end(EX_OSERR, "root's rights do not go away");
    leave_no_core();
}

/* By capset(2), for which the C library has no words. */
static int keep_capabilities(unsigned mask)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {
        {.effective = mask, .permitted = mask}};
    return syscall(SYS_capset, &header, sets) == 0;
}

void write_as(uid_t uid, gid_t gid)
{
    uid_t caller = getuid();
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
        prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid(caller, caller, caller) < 0 ||
        !keep_capabilities(1u << CAP_SETUID))
        end(EX_OSERR, "cannot leave root's rights");
    setfsuid(uid);
    if (!keep_capabilities(0) || writer() != uid)
        end(EX_OSERR, "cannot write as user %ld", (long)uid);
    setfsuid(0);
    if (writer() != uid || setuid(0) == 0)
        end(EX_OSERR, "root's rights do not go away");
    leave_no_core();
}

/* No user has this number, by which one asks. */
uid_t writer(void)
{
    return (uid_t)setfsuid((uid_t)-1);
}

int main(int argc, char **argv)
{
    settle();
    if (argc >= 2 && strcmp(argv[1], "run") == 0)
        run(argv + 2);
    if (argc == 2 && strcmp(argv[1], "session") == 0)
        session();
    if ((argc == 5 || argc == 7) && strcmp(argv[1], "deliver") == 0)
        deliver(argv[2], argv[3], argv + 4);
    if ((argc == 5 || argc == 7) && strcmp(argv[1], "file") == 0)
        write_file(argv[2], argv[3], argv + 4);
    if (argc >= 5 && strcmp(argv[1], "command") == 0)
        run_command(argv[2], argv[3], argv + 4);
    end(EX_USAGE, "usage: postrider-local deliver USER FOLDER SIZE [ID SUM] | "
                  "file USER PATH SIZE [ID SUM] | command USER SECONDS PROGRAM [ARGUMENT...] | run "
                  "ARGUMENTS | session");
}

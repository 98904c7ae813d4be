/* Who calls for what, and the two things that all jobs need. */
#include "local/local.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
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
}

/* No file of ours may get one of the numbers 0 to 2. */
static void fill_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd < 0)
        end(EX_OSERR, "cannot open /dev/null: %s", strerror(errno));
    close(fd);
}

int main(int argc, char **argv)
{
    fill_descriptors();
    for (int number = 1; number < NSIG; number++)
        signal(number, number == SIGPIPE || number == SIGXFSZ ? SIG_IGN : SIG_DFL);
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

/* See background.h. */
#include "listen/background.h"

#include <errno.h>
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"

static _Noreturn void wait_until_ready(int fd, pid_t pid)
{
    char byte;
    _exit(file_read(fd, &byte, 1) == 1 ? EX_OK : process_wait(pid));
}

struct outcome background_begin(int *ready)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return outcome_errno(errno, "cannot go to the background");
    pid_t pid = fork();
    if (pid < 0) {
        int error = errno;
        file_close(&ends[0]);
        file_close(&ends[1]);
        return outcome_errno(error, "cannot go to the background");
    }
    if (pid > 0) {
        file_close(&ends[1]);
        wait_until_ready(ends[0], pid);
    }
    file_close(&ends[0]);
    *ready = ends[1];
    return setsid() < 0 || chdir("/") < 0 ? outcome_errno(errno, "cannot go to the background")
                                          : outcome_done();
}

void background_ready(int *ready)
{
    if (*ready < 0)
        return;
    process_forget_standard_files();
    (void)file_write(*ready, "", 1);
    file_close(ready);
}

/*
 * Preloaded into a program, for tests of crashes: it dies by SIGKILL right before its n-th call
 * that changes something on disk. KILL_AT is n; a byte in the file KILL_NOTE tells that somebody
 * died. It works in a sandbox as well, where no file can be made and no signal be sent.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int calls, note = -1;

__attribute__((constructor)) static void open_note(void)
{
    const char *path = getenv("KILL_NOTE");
    note = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
}

static void count(void)
{
    const char *at = getenv("KILL_AT");
    if (!at || note < 0 || ++calls != atoi(at))
        return;
    if (syscall(SYS_write, note, "x", 1) != 1)
        abort();
    kill(getpid(), SIGKILL);
    syscall(SYS_execve, NULL, NULL, NULL);
    abort();
}

/* Sockets, pipes and the log are of no interest. */
static int is_of_queue(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && !(info.st_mode & S_IXOTH) &&
           !(fcntl(fd, F_GETFL) & O_APPEND && info.st_mode & S_IROTH);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WRAP(type, name, parameters, arguments, condition)                                         \
    type name parameters                                                                           \
    {                                                                                              \
        if (condition)                                                                             \
            count();                                                                               \
        return REAL(name) arguments;                                                               \
    }

WRAP(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), is_of_queue(fd))
WRAP(int, fdatasync, (int fd), (fd), 1)
WRAP(int, fsync, (int fd), (fd), 1)
WRAP(int, futimens, (int fd, const struct timespec times[2]), (fd, times), 1)
WRAP(int, unlinkat, (int folder, const char *name, int flags), (folder, name, flags), 1)
WRAP(int, linkat, (int from, const char *old, int to, const char *new, int flags),
     (from, old, to, new, flags), 1)

/*
 * An array that this machine does not have, for mdadm, which since 4.4 looks whether a device is
 * one before it sends a test message about it: loaded before the C library, it calls every empty
 * file /dev/md127.
 */
#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { MD_MAJOR = 9, MINOR = 127 };

int fstat64(int fd, struct stat64 *status)
{
    int (*next)(int, struct stat64 *);
    *(void **)&next = dlsym(RTLD_NEXT, "fstat64");
    int result = next(fd, status);
    if (result == 0 && S_ISREG(status->st_mode) && status->st_size == 0) {
        status->st_mode = S_IFBLK | 0600;
        status->st_rdev = makedev(MD_MAJOR, MINOR);
    }
    return result;
}

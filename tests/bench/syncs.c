/*
 * What a disk can do: so many processes write files of 4 KB, give each its name and sync file and
 * folder, as a message must be, and nothing else.
 *
 *     syncs PROCESSES FILES FOLDER
 *
 * Prints the seconds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int write_one(int folder, unsigned number)
{
    static char block[4096];
    char name[32];
    int fd = openat(folder, ".", O_TMPFILE | O_WRONLY, 0600);
    snprintf(name, sizeof name, "%u", number);
    int good = fd >= 0 && write(fd, block, sizeof block) == sizeof block &&
               linkat(fd, "", folder, name, AT_EMPTY_PATH) == 0 && fsync(fd) == 0 &&
               fsync(folder) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 64;
    unsigned processes = (unsigned)atoi(argv[1]), files = (unsigned)atoi(argv[2]);
    int folder = open(argv[3], O_RDONLY | O_DIRECTORY), bad = folder < 0;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (unsigned i = 0; i < processes; i++)
        if (fork() == 0) {
            for (unsigned number = i; number < files; number += processes)
                if (!write_one(folder, number))
                    _exit(1);
            _exit(0);
        }
    for (int status; wait(&status) > 0;)
        bad |= status != 0;
    clock_gettime(CLOCK_MONOTONIC, &after);
    printf("%.6f\n",
           (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9);
    return bad;
}

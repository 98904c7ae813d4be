/*
 * Runs a program so many times, one after the other, each with a file on standard input and its
 * output thrown away: what a process for each message costs, and nothing of who measures it.
 *
 *     spawn COUNT FILE PROGRAM [ARGUMENT...]
 *
 * "%u" in an argument stands for the number of the turn. Prints seconds of clock and of processor,
 * and the most memory of one process in KB, of all that these waited for. Exit status 1 when one of
 * them did not end with 0.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

/* The argument with the number in it; the caller frees. */
static char *fill(const char *argument, unsigned number)
{
    char *text = NULL;
    const char *gap = strstr(argument, "%u");
    int length = gap ? asprintf(&text, "%.*s%u%s", (int)(gap - argument), argument, number, gap + 2)
                     : asprintf(&text, "%s", argument);
    if (length < 0)
        exit(71);
    return text;
}

static bool run(char **argv, int count, unsigned number, const char *file)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = -1;
    char **words = calloc((size_t)count + 1, sizeof *words);
    if (!words)
        exit(71);
    for (int i = 0; i < count; i++)
        words[i] = fill(argv[i], number);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, file, O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    bool good = posix_spawnp(&pid, words[0], &actions, NULL, words, environ) == 0 &&
                waitpid(pid, &status, 0) == pid && status == 0;
    if (!good)
        fprintf(stderr, "%s ended with %d\n", words[0],
                WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < count; i++)
        free(words[i]);
    free(words);
    return good;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fputs("usage: spawn COUNT FILE PROGRAM [ARGUMENT...]\n", stderr);
        return 64;
    }
    struct timespec before, after;
    struct rusage usage;
    unsigned count = (unsigned)strtoul(argv[1], NULL, 10), failed = 0;
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (unsigned number = 0; number < count; number++)
        failed += !run(argv + 3, argc - 3, number, argv[2]);
    clock_gettime(CLOCK_MONOTONIC, &after);
    getrusage(RUSAGE_CHILDREN, &usage);
    printf("%.6f %.6f %ld\n",
           (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9,
           seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss);
    return failed ? 1 : 0;
}

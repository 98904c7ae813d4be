/*
 * Preloaded into a program: its n-th allocation fails. SCARCE_AT is n, SCARCE_PROGRAM the program
 * that is meant (others that it starts are spared), SCARCE_NOTE a file that gets a line when that
 * happens, or how many there were when it ends and did not. A process that forks counts on, in
 * both.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned long at, count;
static const char *notes;
static int note;
static bool is_meant, has_failed;

/* The program may have closed what it does not know; and in a sandbox it opens nothing more. */
static void put_note(const char *word)
{
    char line[64];
    int length = snprintf(line, sizeof line, "%s %lu\n", word, count);
    if (write(note, line, (size_t)length) == length)
        return;
    int fd = open(notes, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && write(fd, line, (size_t)length) != length)
        abort();
    if (fd >= 0)
        close(fd);
}

__attribute__((constructor)) static void begin(void)
{
    char path[PATH_MAX + 1] = "";
    const char *program = getenv("SCARCE_PROGRAM"), *number = getenv("SCARCE_AT");
    const char *name = getenv("SCARCE_NOTE");
    /* The program may wipe its environment. */
    notes = name ? strdup(name) : NULL;
    if (!program || !number || !notes || readlink("/proc/self/exe", path, PATH_MAX) <= 0)
        return;
    const char *slash = strrchr(path, '/');
    if (!slash || strcmp(slash + 1, program) != 0)
        return;
    /* Not among the first numbers: the program puts its own files there. */
    int fd = open(notes, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    note = fcntl(fd, F_DUPFD_CLOEXEC, 700);
    close(fd);
    at = strtoul(number, NULL, 10);
    is_meant = true;
}

static void end(void)
{
    if (is_meant && !has_failed)
        put_note("ended");
    is_meant = false;
}

__attribute__((destructor)) static void end_of_exit(void)
{
    end();
}

void _exit(int status)
{
    end();
    syscall(SYS_exit_group, status);
    __builtin_unreachable();
}

static bool fails(void)
{
    if (!is_meant || ++count != at)
        return false;
    put_note("failed");
    has_failed = true;
    errno = ENOMEM;
    return true;
}

/* The programs have a malloc of their own, which comes before any other, and asks these. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

void *__libc_malloc(size_t size)
{
    static __typeof__(&__libc_malloc) real;
    if (!real)
        real = REAL(__libc_malloc);
    return fails() ? NULL : real(size);
}

void *__libc_calloc(size_t number, size_t size)
{
    static __typeof__(&__libc_calloc) real;
    if (!real)
        real = REAL(__libc_calloc);
    return fails() ? NULL : real(number, size);
}

void *__libc_realloc(void *old, size_t size)
{
    static __typeof__(&__libc_realloc) real;
    if (!real)
        real = REAL(__libc_realloc);
    return fails() ? NULL : real(old, size);
}

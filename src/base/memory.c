/* Allocation that never returns NULL, and the end of the program for what cannot be. */
#include "base/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static int ending = EX_TEMPFAIL;
/* Who asks for memory just now, if it is one of us. */
static const char *asking_file;
static int asking_line;

void impossible_at(const char *what, const char *file, int line)
{
    char text[256];
    int length = snprintf(text, sizeof text, "postrider: %s (%s:%d)\n", what, file, line);
    if (length > (int)sizeof text - 1)
        length = (int)sizeof text - 1;
    /* Nothing that would ask for memory. */
    (void)!write(STDERR_FILENO, text, (size_t)length);
    _exit(ending);
}

void impossible_ends_with(int status)
{
    ending = status;
}

void memory_lack(void)
{
    impossible_at("out of memory", asking_file ? asking_file : "in a library", asking_line);
}

static void ask(const char *file, int line)
{
    asking_file = file;
    asking_line = line;
}

void *memory_get_at(size_t size, const char *file, int line)
{
    ask(file, line);
    void *data = calloc(1, size ? size : 1);
    if (!data)
        memory_lack();
    ask(NULL, 0);
    return data;
}

void *memory_resize_at(void *old, size_t size, const char *file, int line)
{
    ask(file, line);
    void *data = realloc(old, size ? size : 1);
    if (!data)
        memory_lack();
    ask(NULL, 0);
    return data;
}

char *memory_copy_at(const char *data, size_t length, const char *file, int line)
{
    if (!data)
        return NULL;
    char *copy = memory_get_at(length + 1, file, line);
    memcpy(copy, data, length);
    return copy;
}

void memory_wipe(void *data, size_t size)
{
    if (data)
        explicit_bzero(data, size);
}

bool memory_same(const void *one, const void *other, size_t size)
{
    const volatile unsigned char *a = one, *b = other;
    unsigned char difference = 0;
    for (size_t i = 0; i < size; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

void memory_wipe_freed(void)
{
#ifdef M_PERTURB
    mallopt(M_PERTURB, 0xFF);
#endif
}

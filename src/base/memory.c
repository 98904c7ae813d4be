/* Allocation that never returns NULL, and the end of the program for what cannot be. */
#include "base/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

void impossible_at(const char *what, const char *file, int line)
{
    fprintf(stderr, "postrider: %s (%s:%d)\n", what, file, line);
    exit(EX_TEMPFAIL);
}

void *memory_get_at(size_t size, const char *file, int line)
{
    void *data = calloc(1, size ? size : 1);
    if (!data)
        impossible_at("out of memory", file, line);
    return data;
}

void *memory_resize_at(void *old, size_t size, const char *file, int line)
{
    void *data = realloc(old, size ? size : 1);
    if (!data)
        impossible_at("out of memory", file, line);
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

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

/* What there is none of ends the program, whoever asked. */
static void *must_be(void *data)
{
    if (!data)
        impossible_at("out of memory", asking_file ? asking_file : "in a library", asking_line);
    asking_file = NULL;
    return data;
}

void *memory_get_at(size_t size, const char *file, int line)
{
    asking_file = file;
    asking_line = line;
    return must_be(calloc(1, size ? size : 1));
}

void *memory_resize_at(void *old, size_t size, const char *file, int line)
{
    asking_file = file;
    asking_line = line;
    return must_be(realloc(old, size ? size : 1));
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

/* ---- for libraries ---- */

/*
 * glibc's own look-ups of users, libdb and libseccomp go on with what they did not get, and so does
 * many a caller of getpwnam(3) that takes NULL for "no such user". The linker prefers ours to the C
 * library's; sanitizers bring theirs.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_OTHERS
#endif
#endif
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(HAS_OTHERS)

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    return must_be(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return must_be(__libc_calloc(count, size));
}

/* Of no bytes it is free(3). */
void *realloc(void *old, size_t size)
{
    void *data = __libc_realloc(old, size);
    return size ? must_be(data) : data;
}

#endif

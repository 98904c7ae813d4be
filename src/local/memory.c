/*
 * Lack of memory ends us with a word: glibc's look-ups of users crash without it, or find nobody.
 * The linker prefers these to the C library's own; sanitizers bring theirs.
 */
#include "local/local.h"

#include <stdlib.h>
#include <sysexits.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_OTHERS
#endif
#endif
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(HAS_OTHERS)

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static void *must_be(void *data)
{
    if (!data)
        end(EX_TEMPFAIL, "out of memory");
    return data;
}

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

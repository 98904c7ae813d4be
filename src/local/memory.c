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

static _Noreturn void lack(void)
{
    end(EX_TEMPFAIL, "out of memory");
}

void *malloc(size_t size)
{
    void *data = __libc_malloc(size);
    if (!data)
        lack();
    return data;
}

void *calloc(size_t count, size_t size)
{
    void *data = __libc_calloc(count, size);
    if (!data)
        lack();
    return data;
}

/* Of no bytes it is free(3). */
void *realloc(void *old, size_t size)
{
    void *data = __libc_realloc(old, size);
    if (!data && size)
        lack();
    return data;
}

#endif

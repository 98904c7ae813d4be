/*
 * Where libraries get their memory: there is some, or the program ends as for ourselves (memory.h).
 * glibc's look-ups of users, libdb and libseccomp go on with what they did not get, and so does
 * many a caller of getpwnam(3) that takes NULL for "no such user". The linker prefers these to the
 * C library's own; sanitizers bring theirs.
 */
#include <stdlib.h>

#include "base/memory.h"

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
    void *data = __libc_malloc(size);
    if (!data)
        memory_lack();
    return data;
}

void *calloc(size_t count, size_t size)
{
    void *data = __libc_calloc(count, size);
    if (!data)
        memory_lack();
    return data;
}

/* Of no bytes it is free(3). */
void *realloc(void *old, size_t size)
{
    void *data = __libc_realloc(old, size);
    if (!data && size)
        memory_lack();
    return data;
}

#endif

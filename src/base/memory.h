/* Memory that is there or the program ends (EX_TEMPFAIL, with file:line): nobody checks for NULL.
 * With glibc the same goes for libraries, some of which crash or hang when there is none. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define memory_get(size)          memory_get_at(size, __FILE__, __LINE__)
#define memory_block(size)        memory_resize_at(NULL, size, __FILE__, __LINE__)
#define memory_resize(old, size)  memory_resize_at(old, size, __FILE__, __LINE__)
#define memory_copy(data, length) memory_copy_at(data, length, __FILE__, __LINE__)

/* Zeroed; the caller frees. */
void *memory_get_at(size_t size, const char *file, int line);
/* As realloc; memory_block: new, and not zeroed, for what is read into. */
void *memory_resize_at(void *old, size_t size, const char *file, int line);
/* A copy with a NUL behind it; NULL stays NULL. */
char *memory_copy_at(const char *data, size_t length, const char *file, int line);
/* Overwrites secrets in a way that no compiler takes out. */
void memory_wipe(void *data, size_t size);
/* Whether both are the same, in a time that does not show where they differ. */
bool memory_same(const void *one, const void *other, size_t size);
/* From now on whatever is given back is overwritten, for what libraries keep of a secret. */
void memory_wipe_freed(void);

/* Ends the program for a state that cannot be, with EX_TEMPFAIL, so that mail is tried again. */
#define impossible(what) impossible_at(what, __FILE__, __LINE__)
void impossible_at(const char *what, const char *file, int line) __attribute__((noreturn));
/* Likewise for lack of memory, whoever asked; of allocation.c. */
void memory_lack(void) __attribute__((noreturn));
/* From now on with this status: what the program was asked for is done, whatever comes. */
void impossible_ends_with(int status);

#endif

/*
 * Landlock, the kernel's own limits of what a process can do with files and sockets, by system
 * call: there is nothing to link. What a kernel does not know yet it does not limit, and with none
 * at all this is a matter of the rights of the process' user alone.
 */
#ifndef BASE_LANDLOCK_H
#define BASE_LANDLOCK_H

#include <stdbool.h>

#include "base/outcome.h"
#include "base/text.h"

struct landlock {
    const struct texts *readable; /* files, or folders with all below them; missing ones are not */
    const struct texts *writable; /* folders in which files are made and written, and not read */
    const struct texts *own;      /* folders whose files may be read, changed and removed */
    bool removing;                /* names may be taken out of the writable ones */
    bool connecting;              /* TCP connections may be made */
};

/* The version that this kernel speaks; 0: none. */
int landlock_version(void);
/*
 * Nothing else is possible with files from here on, and no process outside can be signalled. Needs
 * no_new_privs. DONE as well when the kernel has no Landlock.
 */
struct outcome landlock_enter(const struct landlock *limits);

#endif

/*
 * What locks a process in before it reads a byte of a peer: no_new_privs, Landlock (landlock.h) and
 * a filter of system calls. For good, and for this process and its children; the program that
 * starts it, and knows nothing of peers, stays free.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stdbool.h>

#include "base/outcome.h"
#include "base/text.h"

/* What is left to it, beside the descriptors that it has, memory, clocks and the end. */
struct sandbox {
    const struct texts *readable; /* files, or folders with all below them; missing ones are not */
    /* Folders in which new files may be made and written: none that is there can be opened, removed
     * or written over. NULL: none. */
    const struct texts *writable;
    /* Folders whose files it may read, write, rename and remove, the folders in them included.
     * NULL: none. */
    const struct texts *own;
    bool local_sockets; /* sockets of this machine: the log, services that know users */
    bool internet;      /* connections and datagrams to anywhere, such as DNS */
};

/*
 * Adds what the C library reads to find users, hosts and the local time, whichever service knows
 * them. A service that cannot read its files may say that there is no such user: the list is rather
 * too long than too short, but no folder of ours, of queued mail or of mailboxes is on it.
 */
void sandbox_add_system(struct texts *readable);
/* Loads the services that know users and hosts: in a sandbox nothing can be loaded. */
void sandbox_load_services(void);
/*
 * By a parent of many that enter such a sandbox: loads services, makes the filter that they are to
 * share, and tells the log when this kernel has no Landlock. Without it entering works too, but
 * costs each of them a millisecond and 250 KB.
 */
struct outcome sandbox_prepare(const struct sandbox *sandbox);
/*
 * Enters, as far as this kernel has such locks: where it filters no system calls, the log is told.
 * What is not possible any more fails: with EACCES where files are concerned, with ENOSYS
 * where the call itself is, as on a kernel that does not know it; what only an intruder would try
 * ends the process by SIGSYS. Who got anything but DONE must not go on. Not for programs with
 * threads.
 */
struct outcome sandbox_enter(const struct sandbox *sandbox);

#endif

/*
 * Files of settings, written so that each is the old one or the new one whatever happens, and
 * several of them in an order in which every step between works as well. Knows owners, modes and
 * links; never what stands in a file.
 */
#ifndef SETUP_SAVE_H
#define SETUP_SAVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/outcome.h"

/* A file as it is, or would be if it were there. */
struct save_file {
    char *path;            /* with links followed */
    struct buffer content; /* as it is; wiped */
    bool there;
    bool proper; /* it has the owner and the mode that it should have */
    uid_t owner; /* for what is written */
    gid_t group;
    mode_t mode;
};

enum save_kind {
    SAVE_OPEN,  /* keeps its owner and mode; a new one can be read by all if it is root's */
    SAVE_SECRET /* for its owner alone: the user postrider if installed, else as it was */
};

/* Looks at a file, which may be missing. EX_NOPERM, EX_IOERR, EX_OSFILE. The caller frees. */
struct outcome save_load(const char *path, enum save_kind kind, bool installed,
                         struct save_file *file);
void save_free(struct save_file *file);

/* Only one at a time changes the files of a folder, which is made if it is missing. EX_TEMPFAIL
 * when another one is at it; the lock ends with the descriptor. */
struct outcome save_lock(const char *folder, int *fd);

/* What names of files begin with that are not for long. */
#define SAVE_PREFIX ".setup."

struct save_step {
    const struct save_file *file;
    const struct buffer *text; /* NULL: the file is to be gone */
};

/*
 * All steps, in this order; one file may have several. Everything that needs space is written
 * before the first name changes hands, and signals wait, so that only a crash can come between two
 * steps. A file that is not as it was when it was loaded stops it, EX_TEMPFAIL, with nothing
 * changed.
 */
struct outcome save_all(const struct save_step *steps, size_t count);

#endif

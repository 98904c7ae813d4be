/*
 * Both files of settings from what they were to what they are to be, in steps of which each leaves
 * a pair that works: a runner may start between any two of them, and so may a crash.
 */
#ifndef SETUP_PLAN_H
#define SETUP_PLAN_H

#include "base/buffer.h"
#include "base/outcome.h"
#include "setup/edit.h"
#include "setup/password.h"
#include "setup/save.h"

/* One of the two files. */
struct plan_file {
    struct save_file file;
    struct edit before, after; /* as it was, and as it is to be */
};

struct plan_account {
    const char *name;              /* of its section */
    const struct buffer *password; /* NULL: what is there stays */
    struct password_files files;   /* by password_put */
};

/* Whether there is anything to write. */
bool plan_changes(const struct plan_file *file);
/* Writes what changes, see save_all. */
struct outcome plan_save(const struct plan_file *config, const struct plan_file *credentials,
                         const struct plan_account *accounts, size_t count);

#endif

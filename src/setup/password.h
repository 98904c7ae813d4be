/*
 * A password on its way into credentials.conf: in a line of it, or in a file of its own where no
 * line can carry it. No words made here hold a byte of one.
 */
#ifndef SETUP_PASSWORD_H
#define SETUP_PASSWORD_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "setup/edit.h"

enum { PASSWORD_LONGEST = 8192 };

/* A file of its own, beside credentials.conf. */
struct password_files {
    char *wanted;  /* path of the one to be written with the password; NULL: none is needed */
    char *useless; /* path of one of ours that no longer counts; NULL: none */
};

/* The path of a file for the time in which both files are on their way. The caller frees. */
char *password_bridge(const struct edit *credentials, const char *name);

/* Whether a sign-in can use it: not empty, one line, not too long. EX_DATAERR. */
struct outcome password_check(const struct buffer *password);
/* EX_CONFIG, "path:line: why", for a section or a key that credentials.conf does not have. */
struct outcome password_check_file(const struct edit *credentials);
/* Whether the section has a password, in its own words or in a file. */
bool password_is_there(const struct edit *credentials, const char *name);
/* The password of the section behind the buffer, which the caller wipes; false: there is none, or
 * its file cannot be read. */
bool password_find(const struct edit *credentials, const char *name, struct buffer *password);
/* Puts it there. The caller frees *files, in which nothing was before. */
struct outcome password_put(struct edit *credentials, const char *name,
                            const struct buffer *password, struct password_files *files);
/* Takes away the one that is there, which belongs to an account that is no more. The same of
 * *files.
 */
struct outcome password_drop(struct edit *credentials, const char *name,
                             struct password_files *files);
void password_free_files(struct password_files *files);

#endif

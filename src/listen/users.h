/*
 * The users file: who may sign in, and with what. One line a user, "name:HASH" or
 * "name:HASH:VERIFIER", where HASH is one of crypt(5) and VERIFIER one of sasl_verifier.h; a HASH
 * that begins with '!' or '*' locks the user. Empty lines, and those that begin with '#', say
 * nothing.
 */
#ifndef LISTEN_USERS_H
#define LISTEN_USERS_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "net/sasl_server.h"

enum {
    USERS_NAME_LONGEST = 255,
    USERS_PASSWORD_LONGEST = 511, /* what libcrypt takes */
    USERS_FILE_LONGEST = 4 * 1024 * 1024
};

/* A line of the file. */
struct user {
    char *name;       /* in its prepared form, owned; NULL: the line says nothing */
    const char *hash; /* in the line */
    bool locked;
    bool has_verifier;
    struct sasl_verifier verifier;
};

/* Takes a line apart, in place. False: *why in static words, never with a byte of the line. */
bool users_parse_line(char *line, struct user *user, const char **why);
void users_free_line(struct user *user);
/*
 * The prepared form of a name for the file behind the buffer; false with *why in static words when
 * it cannot stand there.
 */
bool users_prepare_name(const char *name, struct buffer *prepared, const char **why);

/* An open users file. It is read anew for each question. */
struct users {
    const char *path; /* the caller's */
    int fd;
    unsigned char secret[SASL_SECRET_SIZE]; /* for what strangers are told; see sasl_verifier.h */
};

/* A secret for all processes of one listener. */
void users_make_secret(unsigned char secret[SASL_SECRET_SIZE]);
/*
 * Opens the file for one sign-in after the other; a file that is put in its place later is not
 * seen. The secret is copied. LATER with EX_NOPERM when others could read or change it: it must
 * belong to root or the present user, be closed to others, and to the group but for the reading of
 * one that is our own. The caller closes either way.
 */
struct outcome users_open(const char *path, const unsigned char secret[SASL_SECRET_SIZE],
                          struct users *users);
void users_close(struct users *users);
/* Reads all of it; EX_CONFIG with "path:line: what". *verifiers: there are users, and all that are
 * not locked have a verifier, so that SCRAM can be offered to them all. */
struct outcome users_check(const struct users *users, bool *verifiers);
/*
 * These two are what a struct sasl_book wants, with struct users as their context. Whoever is not
 * in the file, is locked or has no hash or verifier costs the same time as the others.
 */
struct outcome users_check_password(void *users, const char *name, const char *password);
struct outcome users_find_verifier(void *users, const char *name, struct sasl_verifier *verifier);

#endif

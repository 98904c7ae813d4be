/*
 * An account at another mail server, whichever program had it, on its way into a [smarthost]: here
 * is decided what becomes of an account without TLS, or one that takes any certificate.
 */
#ifndef SETUP_IMPORT_ACCOUNT_H
#define SETUP_IMPORT_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "setup/import_note.h"

/* A value, and the note of the line that said it. */
struct said {
    char *value; /* NULL: nothing said it; owned */
    size_t note; /* NOTE_NONE: a default, of which nothing is told */
};

enum foreign_tls {
    FOREIGN_CLEAR, /* never */
    FOREIGN_MAY,   /* when it is offered */
    FOREIGN_STARTTLS,
    FOREIGN_IMPLICIT
};

struct foreign {
    const char *program; /* for words: "msmtp" */
    const char *file;    /* that had it, for notes about what no line said */
    const char *name;    /* of the section; "" for the default one */
    struct said senders, hosts, port;
    enum foreign_tls tls;
    size_t tls_notes[4]; /* of the lines that said so */
    size_t tls_note_count;
    bool verified;      /* whether it looked at certificates */
    size_t verify_note; /* of the line that says that it does not */
    struct said trust, fingerprint, certificate, key;
    struct said auth, user, password, password_command;
};

/* An account about which nothing has been said yet; verified, and in clear. The texts are kept. */
void foreign_begin(struct foreign *account, const char *program, const char *file,
                   const char *name);
/* Copies the value; NULL: says nothing. */
void said_set(struct said *said, const char *value, size_t note);
void said_free(struct said *said);
/* Remembers one of the lines about TLS. */
void foreign_said_tls(struct foreign *account, size_t note);
/* Takes it as the [smarthost] of its name; a sender that another one has is left there. False: its
 * hosts are none that our settings allow, and nothing of it is taken. */
bool foreign_take(struct import *import, struct foreign *account);
void foreign_free(struct foreign *account);

/* The file of the certificates that the system trusts: "system" for ours. */
bool foreign_trusts_system(const char *path);

/* A [route] for this pattern, unless one above has it: then false, and the note says so. */
bool route_take(struct import *import, size_t note, const char *pattern, const char *via);
/* What a [route] says about TLS, in the same way; via must be taken before. */
void route_take_tls(struct import *import, const char *pattern, const char *program,
                    enum foreign_tls tls, size_t note);

#endif

/*
 * What msmtp's files say, account by account, before anything of it is ours.
 */
#ifndef SETUP_IMPORT_MSMTP_H
#define SETUP_IMPORT_MSMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "setup/import_account.h"
#include "setup/import_file.h"

/* What an account is told. */
enum msmtp_command {
    MSMTP_HOST,
    MSMTP_PORT,
    MSMTP_FROM,
    MSMTP_AUTH,
    MSMTP_USER,
    MSMTP_PASSWORD,
    MSMTP_PASSWORDEVAL,
    MSMTP_TLS,
    MSMTP_STARTTLS,
    MSMTP_TRUST,
    MSMTP_FINGERPRINT,
    MSMTP_CERT,
    MSMTP_KEY,
    MSMTP_CERTCHECK,
    MSMTP_DOMAIN,
    MSMTP_PROTOCOL,
    MSMTP_ALIASES,
    MSMTP_AUTO_FROM,
    MSMTP_MAILDOMAIN,
    MSMTP_OVERRIDE,
    MSMTP_SET_FROM,
    MSMTP_SET_DATE,
    MSMTP_SET_MSGID,
    MSMTP_REMOVE_BCC,
    MSMTP_UNDISCLOSED,
    MSMTP_LOGFILE,
    MSMTP_SYSLOG,
    MSMTP_SOCKET,
    MSMTP_COMMANDS
};

struct msmtp_account {
    char *name;  /* NULL: the defaults of a file */
    size_t note; /* of its account line */
    const char *file;
    struct said said[MSMTP_COMMANDS];
    bool own[MSMTP_COMMANDS]; /* not by the defaults: others take it over with the account */
};

/* Where a line belongs that belongs to no account of the list. */
#define MSMTP_DEFAULTS SIZE_MAX
#define MSMTP_NOWHERE  (SIZE_MAX - 1)
#define MSMTP_BEGIN    (SIZE_MAX - 2) /* of a file: to an account named default */

/* All that its files say. */
struct msmtp {
    struct importing *importing;
    struct msmtp_account *accounts;
    size_t count;
    struct msmtp_account defaults;
    size_t current; /* of accounts, or one of these */
    const char *file;
    bool users; /* the file is a user's own */
};

/* Makes of them what we can have. */
void msmtp_take(struct msmtp *reading);

#endif

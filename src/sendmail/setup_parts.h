/* Parts of postrider setup: what they hand to each other. For setup*.c alone. */
#ifndef SENDMAIL_SETUP_PARTS_H
#define SENDMAIL_SETUP_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "base/text.h"
#include "check/finding.h"
#include "config/settings.h"
#include "sendmail/setup_test.h"
#include "sendmail/setup_wish.h"
#include "sendmail/verb.h"
#include "setup/import.h"
#include "setup/plan.h"

/* An account that is set up, with the password that goes with it. */
struct setup_account {
    char *name;
    struct buffer password;
    bool has_password;           /* a new one: it is to be written */
    bool loses_password;         /* the one that is there is another account's */
    struct password_files files; /* that it needs */
};

struct setup {
    struct verb_options options;
    bool may_ask;   /* a person is there */
    bool installed; /* the settings of the machine, else somebody's own */
    char *path, *folder, *credentials_path;
    int lock;
    struct plan_file config, credentials;
    struct settings now, then; /* by the files as they are, and as they would be */
    struct wish wish;
    struct import import;
    struct setup_account *accounts;
    size_t account_count;
    struct texts dropped; /* keys that were commented out */
    struct texts removed; /* and passwords, of which nothing stays */
    struct save_file aliases;
    struct buffer aliases_text; /* as it would be; empty: it stays */
    struct texts alias_notes;   /* lines for aliases that are there already, and stay */
    struct findings findings;   /* of the trial */
    struct setup_test test;
    bool changed; /* something was written, or would be */
};

static inline const char *setup_config(const struct setup *setup)
{
    return setup->installed ? NULL : setup->path;
}

/* ---- setup_apply.c: from what is wanted to what is to be written ---- */

/* Makes .after of both files anew, .then, .accounts and the text of the aliases. */
struct outcome setup_apply(struct setup *setup);
/* Takes the first aliases file of the settings, if there is one that the caller may read. */
struct outcome setup_load_aliases(struct setup *setup, const struct settings *settings);
/* Whether root's mail has a reader, and if not, whether there is a file to name him in. */
bool setup_root_needs_alias(struct setup *setup);
void setup_forget_accounts(struct setup *setup);

/* ---- setup_from.c: what the other program does not say ---- */

/* Asks for the passwords of those accounts of the import that sign in with one that nobody has. */
struct outcome setup_ask_passwords(struct setup *setup);

/* ---- setup_report.c: what is shown ---- */

/* The changes of all files, with the secrets masked. */
void setup_show_changes(const struct setup *setup);
/* What the trial found. */
void setup_show_findings(const struct setup *setup);
/* What another program's settings became. */
void setup_show_notes(const struct setup *setup);
/* The end: what was done, what is left to do, and whether anything changed. */
void setup_show_end(const struct setup *setup);
void setup_show_json(const struct setup *setup);

#endif

/* What an expansion leads to in the end, and a set of it in which each comes once. Pure. */
#ifndef ROUTE_TARGETS_H
#define ROUTE_TARGETS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outcome.h"
#include "mail/address.h"
#include "route/names.h"

enum target_kind { TARGET_MAILBOX, TARGET_REMOTE, TARGET_ERROR, TARGET_FILE, TARGET_COMMAND };

struct target {
    enum target_kind kind;
    struct address address; /* MAILBOX: .local is the user's name (from the user table), .domain
                               NULL; REMOTE: the recipient; ERROR: what could not be resolved;
                               FILE, COMMAND: whose alias has it */
    char *text;             /* FILE: its path; COMMAND: the command in the form of
                               config/command.h; else NULL */
    struct address owner;   /* of the list it came from, with a domain; null: there is none */
    struct outcome outcome; /* ERROR: why, LATER or NEVER */
    bool aliased;           /* an alias or a fall-back was used: not the recipient itself */
};

struct targets {
    struct target *items;
    size_t count;
    size_t capacity;
};

void targets_free(struct targets *targets);

/* Targets as they are found. Zero-initialise it, with .targets. */
struct target_set {
    struct targets *targets; /* where they are added; may have some of before */
    struct names found;      /* those that this set has added */
};

/*
 * Each adds a target, unless the set has it already. The owner is that of the list it is from,
 * null: none; aliased: it is not the recipient itself.
 */
void target_set_error(struct target_set *set, const struct address *owner,
                      const struct address *address, struct outcome outcome, bool aliased);
void target_set_remote(struct target_set *set, const struct address *owner,
                       const struct address *address, bool aliased);
/* Takes over the user's name. */
void target_set_mailbox(struct target_set *set, const struct address *owner, char *user,
                        bool aliased);
/* FILE or COMMAND; the address is whose alias has it. */
void target_set_file(struct target_set *set, const struct address *owner, enum target_kind kind,
                     const char *text, const struct address *address);
/* Forgets what was found; the targets stay. */
void target_set_close(struct target_set *set);

#endif

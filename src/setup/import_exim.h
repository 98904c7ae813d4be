/*
 * Exim's settings while they are read: its configuration as lines with macros filled in, the lists
 * that it writes in its own way, and the accounts of Debian's passwd.client.
 */
#ifndef SETUP_IMPORT_EXIM_H
#define SETUP_IMPORT_EXIM_H

#include <stdbool.h>
#include <stddef.h>

#include "setup/import_account.h"
#include "setup/import_file.h"

/* ---- lists ---- */

/* The items of a list: ':' parts them, twice it is one of an item, and "<;" at its beginning names
 * another character. */
void exim_split(const char *text, struct texts *items);
/* "host:port", "[v6]:port", an IPv6 address: as an item of a list of hosts behind the buffer. */
void exim_put_host(const char *text, struct buffer *hosts);
/*
 * Takes the items of a list for a key that has one. '@' and its like, which mean this machine, are
 * passed over; files, lookups and exceptions are left, and a note says so.
 */
void exim_take_list(struct import *import, size_t note, const char *text, const char *section,
                    const char *name, const char *key);
/* Addresses of interfaces, "127.0.0.1", "::1.25", "[::1]:25", as [listen] has them. */
void exim_take_interfaces(struct import *import, size_t note, const char *text, const char *name);

/* ---- passwd.client ---- */

/* Finds user and password for these hosts as Debian's settings look for them, in a file of lines
 * "host:user:password"; host may have '*' at its beginning, or be a regular expression. */
void exim_read_clients(struct importing *importing, const char *path, struct foreign *account);

/* ---- the configuration as Exim reads it ---- */

struct exim_option {
    const char *section; /* "main", "routers", ...; static */
    size_t driver;       /* which one of the section, from 1 on; 0: none */
    char *driver_name;
    char *name, *value; /* "" for a flag; "no_" stays at its name */
    size_t note;
};

struct exim_macro {
    char *name, *value;
    size_t note;
};

struct exim {
    struct importing *importing;
    struct exim_option *options;
    size_t count;
    struct exim_macro *macros;
    size_t macro_count;
    const char *section;
    size_t driver;
    char *driver_name;
    struct texts files; /* read so far, includes among them */
    bool switched_off[16];
    unsigned conditions; /* open .ifdef */
};

/* Reads a file and what it includes. False: it cannot be read. */
bool exim_read(struct exim *exim, const char *path, enum source_need need);
void exim_free(struct exim *exim);
/* An option of a driver, or of the main section with driver 0; NULL: it is not set. */
const struct exim_option *exim_find(const struct exim *exim, const char *section, size_t driver,
                                    const char *name);
/* Its value, "" when it is not set. */
const char *exim_value(const struct exim *exim, const char *section, size_t driver,
                       const char *name);
/* Its note; NOTE_NONE when it is not set. */
size_t exim_note(const struct exim *exim, const char *section, size_t driver, const char *name);
/* Whether a value is computed by an expansion. */
bool exim_is_computed(const char *value);
const struct exim_macro *exim_macro(const struct exim *exim, const char *name);
/* What the configuration means for us; the second one is of its routers alone. */
void exim_take(struct exim *exim);
void exim_take_routers(struct exim *exim);

#endif

/*
 * Postfix's settings while they are read: main.cf with its variables (postconf(5)), and lookup
 * tables as text. How its parts use them is for import_postfix_*.c.
 */
#ifndef SETUP_IMPORT_POSTFIX_H
#define SETUP_IMPORT_POSTFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "setup/import_account.h"
#include "setup/import_file.h"

#define POSTFIX_MAIN   "/etc/postfix/main.cf"
#define POSTFIX_MASTER "/etc/postfix/master.cf"

struct parameter {
    char *name, *value; /* as written */
    char *expanded;     /* NULL: not yet; owned */
    size_t note;
};

struct postfix {
    struct importing *importing;
    struct parameter *parameters;
    size_t count;
    unsigned steps; /* that filling in the present value has taken */
    bool computed;  /* it holds a comparison, which nobody computes here */
};

/* Reads main.cf. False: it cannot be read. */
bool postfix_read(struct postfix *postfix);
void postfix_free(struct postfix *postfix);
/* The value with its variables filled in, "" when neither the file nor a default of Postfix's says
 * anything; good until postfix_free. */
const char *postfix_value(struct postfix *postfix, const char *name);
/* Whether the file says it, and the note of that line (NOTE_NONE). */
bool postfix_is_set(const struct postfix *postfix, const char *name);
size_t postfix_note(const struct postfix *postfix, const char *name);
bool postfix_is_yes(struct postfix *postfix, const char *name);
/* Whether something has been said about that line, or there is none. */
bool postfix_is_settled(const struct postfix *postfix, const char *name);
/* Words about the line that says it, if there is one. */
void postfix_say(struct postfix *postfix, const char *name, enum import_mark mark,
                 const char *format, ...) FORMATTED(4, 5);
/* The same, when nothing has been said yet. */
void postfix_rest(struct postfix *postfix, const char *name, enum import_mark mark,
                  const char *words);
/* "5d": seconds; unit is meant where none stands. False: it is no time. */
bool postfix_time(struct postfix *postfix, const char *name, char unit, uint64_t *seconds);
/* The items of a list, which commas and white space part, but not within braces. */
void postfix_split(const char *text, struct texts *items);

/* An entry of a lookup table. */
struct row {
    char *key; /* in lower case; "" for any */
    char *value;
    size_t note;
};

struct table {
    struct row *rows;
    size_t count;
};

/* Whether "type:/path" only says where a table is, and holds no entry itself. */
bool table_is_elsewhere(const char *where);
/*
 * Adds the text of a table "type:path" to the rows. secret: its values are never shown, and may be
 * one for all keys, "static:value". False: it is of a kind that has no text, or cannot be read; the
 * note of the parameter says so.
 */
bool table_read(struct postfix *postfix, const char *name, const char *where, bool secret,
                struct table *table);
/* The same for all tables that a parameter names. */
void table_read_all(struct postfix *postfix, const char *name, bool secret, struct table *table);
/* The first row with this key; NULL: there is none. */
const struct row *table_find(const struct table *table, const char *key);
void table_free(struct table *table);

/* A next hop: "[host]:port" as Postfix writes it, "host:port" as we do. */
struct hop {
    char *host; /* as an item of a list of ours, without a port; NULL: it is none */
    unsigned port;
    bool mx; /* Postfix asks for its MX records */
};
bool hop_parse(const char *text, struct hop *hop);

/* What mail goes out by: smarthosts, routes. */
void postfix_take_sending(struct postfix *postfix);
/* What comes in, and what stays: listeners, domains, aliases, senders. */
void postfix_take_receiving(struct postfix *postfix);
/* The lines of master.cf; whether it has a service for SMTP, and where: "" for everywhere that
 * inet_interfaces says. The caller frees *address. */
bool postfix_read_master(struct postfix *postfix, char **address, size_t *note);

#endif

/*
 * The kinds of values that a setting can have: text is checked and stored where its key says. Knows
 * one value at a time, by the key's place, range and form; never which keys there are.
 */
#ifndef CONFIG_VALUES_H
#define CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/outcome.h"
#include "config/reader.h"
#include "config/settings.h"

struct setting;

struct key {
    /* "smarthost", "route", "listen" and "dkim": offsets are into struct smarthost, route, listener
     * and dkim, else into struct settings */
    const char *section;
    const char *name;
    struct outcome (*set)(const struct setting *setting, const char *text);
    size_t offset;
    size_t count_offset; /* of the number of items, for lists that are no struct texts */
    const char *initial; /* the default, as it would stand in the file; NULL: settings.c has it */
    const char *low, *high;
    bool list;   /* may go on in indented lines */
    bool filled; /* may not be empty */
};

/* A value on its way. */
struct setting {
    const struct key *key;
    const struct entry *entry; /* for words about it */
    void *structure;           /* what the offset counts from */
    const char *folder;        /* relative paths begin here */
};

/*
 * Each checks the text and stores what it means. EX_CONFIG that says what would be right. Lists add
 * to what is there; all else takes the place of what was there.
 */
struct outcome value_set_text(const struct setting *setting, const char *text);
struct outcome value_set_flag(const struct setting *setting, const char *text);
struct outcome value_set_number(const struct setting *setting, const char *text);
struct outcome value_set_size(const struct setting *setting, const char *text);
struct outcome value_set_seconds(const struct setting *setting, const char *text);
struct outcome value_set_seconds_list(const struct setting *setting, const char *text);
struct outcome value_set_rate(const struct setting *setting, const char *text);
/* Relative paths become absolute. */
struct outcome value_set_path(const struct setting *setting, const char *text);
struct outcome value_set_paths(const struct setting *setting, const char *text);
/* A command line: words, quoted where they need it. */
struct outcome value_set_command(const struct setting *setting, const char *text);
/* Domains are stored as A-labels; the list takes patterns, see value_parse_domain. */
struct outcome value_set_domain(const struct setting *setting, const char *text);
struct outcome value_set_domains(const struct setting *setting, const char *text);
/* Names below "_domainkey" (RFC 6376 3.1), in lower case. */
struct outcome value_set_selectors(const struct setting *setting, const char *text);
/* Hosts to connect to, addresses to listen on, ranges of addresses. */
struct outcome value_set_hosts(const struct setting *setting, const char *text);
struct outcome value_set_listen_addresses(const struct setting *setting, const char *text);
struct outcome value_set_networks(const struct setting *setting, const char *text);
/* Addresses, "@domain", or patterns with '*'. */
struct outcome value_set_senders(const struct setting *setting, const char *text);
/* "pattern: address". */
struct outcome value_set_masquerade(const struct setting *setting, const char *text);
/* enum tls_mode, enum auth_mode, "system" or a path, and a SHA-256 in hexadecimal digits. */
struct outcome value_set_tls(const struct setting *setting, const char *text);
struct outcome value_set_auth(const struct setting *setting, const char *text);
struct outcome value_set_trust(const struct setting *setting, const char *text);
struct outcome value_set_fingerprint(const struct setting *setting, const char *text);
/* The way of a route; the structure is a struct route. */
struct outcome value_set_via(const struct setting *setting, const char *text);

/* "example.org", "*.example.org" or "*", in A-labels behind the buffer. False: *why says what is
 * wrong, in static words. */
bool value_parse_domain(const char *text, struct buffer *pattern, const char **why);

/* An address or "@domain", as domain_parse has it, or a pattern with '*', likewise. */
bool value_parse_sender(const char *text, struct buffer *sender, const char **why);

/* As it stands in the file. */
const char *value_tls_name(enum tls_mode tls);
const char *value_auth_name(enum auth_mode auth);

/* ---- for kinds of values that have a file of their own ---- */

/* Where the key keeps its value, in the structure. */
void *value_place(const struct setting *setting);
/* EX_CONFIG: the key, the text, and why it is wrong. */
struct outcome value_wrong(const struct setting *setting, const char *text, const char *why);
/* The index of a word among choices that NULL ends; an error names them all. */
struct outcome value_choose(const struct setting *setting, const char *text,
                            const char *const *choices, unsigned *index);
/* An absolute path, which the caller frees: a relative one counts from the file's folder. */
struct outcome value_make_path(const struct setting *setting, const char *text, char **path);
/* Adds each item of a list, in the form that parse gives it, to a struct texts. */
struct outcome value_store_list(const struct setting *setting, const char *text,
                                bool (*parse)(const char *, struct buffer *, const char **));

#endif

/*
 * The lexical tokens that structured fields share (RFC 5322 3.2, obs-forms too): white space,
 * folds, nested comments, quoted strings, atoms. Moves over a text and never changes it.
 */
#ifndef MAIL_SCANNER_H
#define MAIL_SCANNER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

struct scanner {
    const char *text; /* NUL-terminated; belongs to the caller */
    size_t at;
    const char *why; /* static words about the first error; NULL while all is well */
};

/* The byte here; NUL at the end. */
static inline char scan_peek(const struct scanner *scanner)
{
    return scanner->text[scanner->at];
}

/* Notes the first error; always false, so that callers can return it. */
bool scan_fail(struct scanner *scanner, const char *why);
/* Passes white space, folds and comments. False at an open comment or a control character. */
bool scan_space(struct scanner *scanner);
/* From '"' on: passes the quoted string, its meaning put behind plain unless that is NULL. */
bool scan_quoted(struct scanner *scanner, struct buffer *plain);
/* From '[' on: passes the literal, brackets included. */
bool scan_literal(struct scanner *scanner);
/* A byte of an atom (RFC 5322 atext), or of UTF-8 (RFC 6532 3.2). */
bool scan_is_atext(char c);
/* Any control character, tab among them. */
bool scan_is_control(char c);

#endif

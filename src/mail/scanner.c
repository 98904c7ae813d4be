/*
 * Lexical tokens of structured fields. Knows RFC 5322 3.2 with the obs-forms of 4.1 and the UTF-8
 * of RFC 6532 3.2; must never know what a token is for. Comments nest by a counter, not by
 * recursion, so that no input exhausts the stack.
 */
#include "mail/scanner.h"

#include <string.h>

bool scan_fail(struct scanner *scanner, const char *why)
{
    if (!scanner->why)
        scanner->why = why;
    return false;
}

bool scan_is_control(char c)
{
    return (unsigned char)c < ' ' || c == 127;
}

bool scan_is_atext(char c)
{
    return !scan_is_control(c) && !strchr(" ()<>[]:;@\\,.\"", c);
}

/* From a line end on: its length when white space or the end of the text follows, else 0. */
static size_t fold_length(const struct scanner *scanner)
{
    const char *text = scanner->text + scanner->at;
    size_t length = *text == '\n' ? 1 : text[0] == '\r' && text[1] == '\n' ? 2 : 0;
    if (!length)
        return 0;
    char next = text[length];
    return next == ' ' || next == '\t' || next == '\0' ? length : 0;
}

/* A backslash and what it protects. */
static bool scan_pair(struct scanner *scanner)
{
    char c = scanner->text[scanner->at + 1];
    if (c == '\0')
        return scan_fail(scanner, "nothing behind the last backslash");
    if (scan_is_control(c) && c != '\t')
        return scan_fail(scanner, "control character");
    scanner->at += 2;
    return true;
}

/* One byte, or one fold, that has no meaning of its own here. */
static bool scan_plain(struct scanner *scanner)
{
    char c = scan_peek(scanner);
    if (!scan_is_control(c) || c == '\t') {
        scanner->at++;
        return true;
    }
    size_t fold = fold_length(scanner);
    if (!fold)
        return scan_fail(scanner, "control character");
    scanner->at += fold;
    return true;
}

static bool scan_comment(struct scanner *scanner)
{
    size_t depth = 0;
    do {
        char c = scan_peek(scanner);
        if (c == '\0')
            return scan_fail(scanner, "unclosed comment");
        if (c == '\\') {
            if (!scan_pair(scanner))
                return false;
            continue;
        }
        depth += c == '(';
        depth -= c == ')';
        if (!scan_plain(scanner))
            return false;
    } while (depth);
    return true;
}

bool scan_space(struct scanner *scanner)
{
    for (;;) {
        char c = scan_peek(scanner);
        if (c == '(') {
            if (!scan_comment(scanner))
                return false;
        } else if (c != '\0' && (c == ' ' || scan_is_control(c))) {
            if (!scan_plain(scanner))
                return false;
        } else {
            return true;
        }
    }
}

bool scan_quoted(struct scanner *scanner, struct buffer *plain)
{
    scanner->at++;
    for (;;) {
        char c = scan_peek(scanner);
        if (c == '\0')
            return scan_fail(scanner, "unclosed quotation mark");
        if (c == '"') {
            scanner->at++;
            return true;
        }
        size_t begin = scanner->at;
        if (c == '\\' ? !scan_pair(scanner) : !scan_plain(scanner))
            return false;
        if (plain && c != '\r' && c != '\n')
            buffer_append_byte(plain, scanner->text[c == '\\' ? begin + 1 : begin]);
    }
}

bool scan_literal(struct scanner *scanner)
{
    scanner->at++;
    for (;; scanner->at++) {
        char c = scan_peek(scanner);
        if (c == '\0' || c == '[' || c == '\\')
            return scan_fail(scanner, "unclosed address literal");
        if (scan_is_control(c))
            return scan_fail(scanner, "control character");
        if (c == ']') {
            scanner->at++;
            return true;
        }
    }
}

/*
 * Header fields in a form that travels. Knows in which fields, and where in them, RFC 2047 section
 * 5 allows encoded words. Folds of plain words stay where they are. Never changes a field that
 * fits.
 */
#include "mail/mime_field.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "mail/address.h"
#include "mail/mime.h"
#include "mail/scanner.h"

/* Names as text_match has them. What is in no list holds tokens of its own, not text. */
static const char *const text_fields[] = {"Subject",      "Comments", "Content-Description",
                                          "Organization", "Thread-*", "X-*"};
static const char *const address_fields[] = {
    "From",      "Sender",        "Reply-To",         "To",
    "Cc",        "Bcc",           "Resent-From",      "Resent-Sender",
    "Resent-To", "Resent-Cc",     "Resent-Bcc",       "Resent-Reply-To",
    "Errors-To", "Mail-Reply-To", "Mail-Followup-To", "Disposition-Notification-To",
};

static bool is_named(const struct field *field, const char *const *patterns, size_t count)
{
    char *name = memory_copy(field->text, field->name_length);
    bool named = false;
    for (size_t i = 0; i < count && !named; i++)
        named = text_match(patterns[i], name);
    free(name);
    return named;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_ascii(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] > 127)
            return false;
    return true;
}

static void append_replaced(const char *text, size_t length, struct buffer *out)
{
    for (size_t i = 0; i < length; i++)
        buffer_append_byte(out, (unsigned char)text[i] > 127 || !text[i] ? '?' : text[i]);
}

/* As encoded words, line ends in it taken out. */
static void append_encoded(const char *text, size_t length, struct buffer *out)
{
    struct buffer flat = {0};
    for (size_t i = 0; i < length; i++)
        if (text[i] != '\n' && text[i] != '\r')
            buffer_append_byte(&flat, text[i]);
    mime_encode_words(buffer_text(&flat), out);
    buffer_free(&flat);
}

/* Free text: runs of words that are not ASCII become encoded words, all else stays. */
static void format_text(const char *body, struct buffer *out)
{
    size_t run = 0, run_end = 0; /* words to be encoded together; empty when equal */
    for (size_t at = 0; body[at];) {
        size_t word = at;
        while (is_white(body[word]))
            word++;
        size_t end = word;
        while (body[end] && !is_white(body[end]))
            end++;
        if (is_ascii(body + word, end - word)) {
            append_encoded(body + run, run_end - run, out);
            buffer_append(out, body + at, end - at);
            run = run_end = end;
        } else {
            if (run == run_end) {
                buffer_append(out, body + at, word - at);
                run = word;
            }
            run_end = end;
        }
        at = end;
    }
    append_encoded(body + run, run_end - run, out);
}

/* An internationalised domain can travel as A-labels. False: that does not help. */
static bool format_address(const char *text, size_t length, struct buffer *out)
{
    struct address address = {0};
    const char *why;
    char *copy = memory_copy(text, length);
    bool good = address_parse(copy, &address, &why) && !address_needs_smtputf8(&address);
    if (good)
        address_format(&address, out);
    address_free(&address);
    free(copy);
    return good;
}

/* A display name or, as far as one can tell from an '@', an addr-spec without brackets. */
static void format_words(const char *text, size_t length, struct buffer *out)
{
    size_t end = length;
    while (end && is_white(text[end - 1]))
        end--;
    if (is_ascii(text, length)) {
        buffer_append(out, text, length);
        return;
    }
    if (memchr(text, '@', length)) {
        if (format_address(text, end, out))
            buffer_append(out, text + end, length - end);
        else
            append_replaced(text, length, out);
        return;
    }
    struct buffer plain = {0};
    char *copy = memory_copy(text, end);
    struct scanner scanner = {.text = copy};
    while (scan_peek(&scanner)) {
        if (scan_peek(&scanner) == '"') {
            if (!scan_quoted(&scanner, &plain))
                break;
        } else {
            buffer_append_byte(&plain, scan_peek(&scanner));
            scanner.at++;
        }
    }
    append_encoded(buffer_text(&plain), plain.length, out);
    buffer_append(out, text + end, length - end);
    free(copy);
    buffer_free(&plain);
}

/* "(text)"; nested ones lose their bytes. */
static void format_comment(const char *text, size_t length, struct buffer *out)
{
    bool simple = length >= 2 && !memchr(text + 1, '(', length - 1) && !memchr(text, '\\', length);
    if (is_ascii(text, length)) {
        buffer_append(out, text, length);
    } else if (!simple) {
        append_replaced(text, length, out);
    } else {
        buffer_append_byte(out, '(');
        append_encoded(text + 1, length - 2, out);
        buffer_append_byte(out, ')');
    }
}

/* "<addr-spec>" */
static void format_angle(const char *text, size_t length, struct buffer *out)
{
    struct buffer address = {0};
    if (!is_ascii(text, length) && format_address(text, length, &address))
        buffer_format(out, "<%s>", buffer_text(&address));
    else
        append_replaced(text, length, out);
    buffer_free(&address);
}

/* White space alone, so that comments are seen. */
static void pass_white(struct scanner *scanner)
{
    while (is_white(scan_peek(scanner)))
        scanner->at++;
}

/* Passes words and quoted strings up to what ends them: one of "(<,;:" or the end. */
static bool pass_words(struct scanner *scanner)
{
    while (scan_peek(scanner) && !strchr("(<,;:", scan_peek(scanner)))
        if (scan_peek(scanner) != '"')
            scanner->at++;
        else if (!scan_quoted(scanner, NULL))
            return false;
    return true;
}

static bool pass_comment(struct scanner *scanner)
{
    size_t depth = 0;
    for (char c; (c = scan_peek(scanner)) != '\0';) {
        scanner->at += 1 + (c == '\\' && scanner->text[scanner->at + 1]);
        depth += c == '(';
        depth -= c == ')';
        if (!depth)
            return true;
    }
    return false;
}

static bool pass_angle(struct scanner *scanner)
{
    while (scan_peek(scanner) && scan_peek(scanner) != '>')
        if (scan_peek(scanner) != '"')
            scanner->at++;
        else if (!scan_quoted(scanner, NULL))
            return false;
    if (!scan_peek(scanner))
        return false;
    scanner->at++;
    return true;
}

static void format_addresses(const char *body, struct buffer *out)
{
    struct scanner scanner = {.text = body};
    bool good = true;
    size_t begin = 0;
    while (good && scan_peek(&scanner)) {
        begin = scanner.at;
        pass_white(&scanner);
        buffer_append(out, body + begin, scanner.at - begin);
        begin = scanner.at;
        char c = scan_peek(&scanner);
        good = c == '('   ? pass_comment(&scanner)
               : c == '<' ? pass_angle(&scanner)
                          : pass_words(&scanner);
        size_t length = scanner.at - begin;
        if (!good)
            break;
        if (c == '(' || c == '<')
            (c == '(' ? format_comment : format_angle)(body + begin, length, out);
        else
            format_words(body + begin, length, out);
        begin = scanner.at;
        c = scan_peek(&scanner);
        if (c && strchr(",;:", c)) {
            buffer_append_byte(out, c);
            begin = ++scanner.at;
        }
    }
    if (!good)
        append_replaced(body + begin, strlen(body + begin), out);
}

void mime_format_field(const struct field *field, bool wide, struct buffer *out)
{
    if ((wide || is_ascii(field->text, field->length)) && !field_has_nul(field)) {
        header_fold(field->text, field->length, out);
        return;
    }
    /* Without NULs first, so that the rest sees the whole field as one string. */
    char *text = memory_copy(field->text, field->length);
    for (size_t i = 0; i < field->length; i++)
        if (!text[i])
            text[i] = '?';
    char *body = strchr(text + field->name_length, ':') + 1;
    struct buffer lines = {0};
    buffer_append(&lines, text, (size_t)(body - text));
    if (wide)
        buffer_append_text(&lines, body);
    else if (is_named(field, text_fields, sizeof text_fields / sizeof text_fields[0]))
        format_text(body, &lines);
    else if (is_named(field, address_fields, sizeof address_fields / sizeof address_fields[0]))
        format_addresses(body, &lines);
    else
        append_replaced(body, strlen(body), &lines);
    header_fold(buffer_text(&lines), lines.length, out);
    buffer_free(&lines);
    free(text);
}

/* See spf_macro.h. */
#include "filter/spf_macro.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

enum { LONGEST_DOMAIN = 253, MOST_PARTS = 128 };

static const char delimiters[] = ".-+,/_=";

/* What stands between the braces. */
struct macro {
    char letter; /* lower case */
    bool escaped;
    unsigned kept; /* parts from the right; 0: all */
    bool reversed;
    char splits[sizeof delimiters]; /* "" means "." */
    size_t length;                  /* of all of it, from '%' on */
};

static bool is_letter(char letter, bool explains)
{
    return letter && strchr(explains ? "slodiphcrtv" : "slodiphv", letter);
}

/* "%{letter digits r delimiters}". */
static bool read_macro(const char *text, bool explains, struct macro *macro)
{
    *macro = (struct macro){.letter = (char)tolower((unsigned char)text[2])};
    macro->escaped = isupper((unsigned char)text[2]) != 0;
    if (!is_letter(macro->letter, explains))
        return false;
    const char *at = text + 3;
    if (isdigit((unsigned char)*at)) {
        unsigned long number = strtoul(at, NULL, 10);
        if (number == 0)
            return false;
        macro->kept = number > MOST_PARTS ? MOST_PARTS : (unsigned)number;
        at += strspn(at, "0123456789");
    }
    if (*at == 'r' || *at == 'R') {
        macro->reversed = true;
        at++;
    }
    size_t count = strspn(at, delimiters);
    for (size_t i = 0; i < count; i++)
        if (!strchr(macro->splits, at[i]))
            macro->splits[strlen(macro->splits)] = at[i];
    at += count;
    if (*at != '}')
        return false;
    macro->length = (size_t)(at - text) + 1;
    return true;
}

/* ---- grammar ---- */

/* The end of one piece of a macro-string; NULL: bad grammar. *is_macro: a "%{...}". */
static const char *skip_piece(const char *text, bool explains, bool *is_macro)
{
    struct macro macro;
    *is_macro = false;
    if (*text != '%')
        return *text > ' ' && *text < 127 ? text + 1 : NULL;
    if (text[1] == '%' || text[1] == '_' || text[1] == '-')
        return text + 2;
    if (text[1] != '{' || !read_macro(text, explains, &macro))
        return NULL;
    *is_macro = true;
    return text + macro.length;
}

bool spf_macro_is_string(const char *text)
{
    bool is_macro;
    while (text && *text)
        text = skip_piece(text, true, &is_macro);
    return text != NULL;
}

/* A last label that is none of digits alone, RFC 7208 12 (toplabel). */
static bool is_top_label(const char *label, size_t length)
{
    bool other = false;
    if (length == 0 || label[0] == '-' || label[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)label[i]) && label[i] != '-')
            return false;
        other = other || !isdigit((unsigned char)label[i]);
    }
    return other;
}

bool spf_macro_is_domain(const char *text)
{
    bool is_macro = false;
    const char *at = text;
    if (!*text)
        return false;
    while (at && *at)
        at = skip_piece(at, false, &is_macro);
    if (!at)
        return false;
    if (is_macro)
        return true;
    size_t length = strlen(text);
    if (text[length - 1] == '.')
        length--;
    size_t begin = length;
    while (begin > 0 && text[begin - 1] != '.')
        begin--;
    return begin > 0 && is_top_label(text + begin, length - begin);
}

/* ---- expansion ---- */

static void append_escaped(struct buffer *expanded, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (isalnum(byte) || strchr("-._~", text[i]))
            buffer_append_byte(expanded, text[i]);
        else
            buffer_format(expanded, "%%%02X", byte);
    }
}

static void append_parts(const struct macro *macro, const char *value, struct buffer *joined)
{
    const char *splits = *macro->splits ? macro->splits : ".";
    struct {
        const char *text;
        size_t length;
    } parts[MOST_PARTS];
    size_t count = 0;
    for (const char *at = value; count < MOST_PARTS;) {
        size_t length = strcspn(at, splits);
        parts[count].text = at;
        parts[count++].length = length;
        if (!at[length])
            break;
        at += length + 1;
    }
    size_t kept = macro->kept && macro->kept < count ? macro->kept : count;
    for (size_t i = count - kept; i < count; i++) {
        size_t from = macro->reversed ? kept - 1 - (i - (count - kept)) : i;
        if (i > count - kept)
            buffer_append_byte(joined, '.');
        buffer_append(joined, parts[from].text, parts[from].length);
    }
}

static void append_value(char letter, const struct spf_names *names, struct buffer *value)
{
    switch (letter) {
    case 's':
        buffer_format(value, "%s@%s", names->local, names->sender_domain);
        break;
    case 'l':
        buffer_append_text(value, names->local);
        break;
    case 'o':
        buffer_append_text(value, names->sender_domain);
        break;
    case 'd':
        buffer_append_text(value, names->domain);
        break;
    case 'i':
        buffer_append_text(value, names->address);
        break;
    case 'p':
        buffer_append_text(value, names->validated(names->context));
        break;
    case 'h':
        buffer_append_text(value, names->helo);
        break;
    case 'c':
        buffer_append_text(value, names->readable);
        break;
    case 'r':
        buffer_append_text(value, names->receiver);
        break;
    case 't':
        buffer_format(value, "%" PRId64, (int64_t)clock_now());
        break;
    default:
        buffer_append_text(value, names->family);
        break;
    }
}

static void append_macro(const struct macro *macro, const struct spf_names *names,
                         struct buffer *expanded)
{
    struct buffer value = {0}, joined = {0};
    append_value(macro->letter, names, &value);
    append_parts(macro, buffer_text(&value), &joined);
    if (macro->escaped)
        append_escaped(expanded, buffer_text(&joined), joined.length);
    else
        buffer_append(expanded, buffer_text(&joined), joined.length);
    buffer_free(&value);
    buffer_free(&joined);
}

bool spf_macro_expand(const char *text, const struct spf_names *names, bool explains,
                      struct buffer *expanded)
{
    while (*text) {
        struct macro macro;
        if (*text != '%') {
            buffer_append_byte(expanded, *text++);
        } else if (text[1] == '%' || text[1] == '_' || text[1] == '-') {
            buffer_append_text(expanded, text[1] == '%' ? "%" : text[1] == '_' ? " " : "%20");
            text += 2;
        } else if (text[1] == '{' && read_macro(text, explains, &macro)) {
            append_macro(&macro, names, expanded);
            text += macro.length;
        } else {
            return false;
        }
    }
    return true;
}

bool spf_macro_expand_domain(const char *text, const struct spf_names *names, struct buffer *domain)
{
    struct buffer expanded = {0};
    bool good = spf_macro_expand(text, names, false, &expanded);
    const char *at = buffer_text(&expanded);
    size_t length = strlen(at);
    if (length && at[length - 1] == '.')
        length--;
    while (length > LONGEST_DOMAIN) {
        size_t label = strcspn(at, ".") + 1;
        label = label > length ? length : label;
        at += label;
        length -= label;
    }
    buffer_append(domain, at, length);
    buffer_free(&expanded);
    return good;
}

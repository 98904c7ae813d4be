/* See spf_record.h. All of a record is looked at before any of it counts. */
#include "filter/spf_record.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "filter/spf_macro.h"

static const char version[] = "v=spf1";

bool spf_record_is(const char *text)
{
    size_t length = strlen(version);
    return text_starts(text, version) && (text[length] == ' ' || !text[length]);
}

/* What a mechanism or modifier may have behind its name. */
enum argument {
    NOTHING,
    DOMAIN_NEEDED,   /* ":domain" */
    DOMAIN_MAYBE,    /* likewise */
    DOMAIN_AND_BITS, /* [":domain"] ["/bits"] ["//bits"] */
    ADDRESS4,        /* ":address" ["/bits"] */
    ADDRESS6
};

static const struct known {
    const char *name;
    enum spf_kind kind;
    enum argument argument;
} mechanisms[] = {
    {"all", SPF_ALL, NOTHING},      {"include", SPF_INCLUDE, DOMAIN_NEEDED},
    {"a", SPF_A, DOMAIN_AND_BITS},  {"mx", SPF_MX, DOMAIN_AND_BITS},
    {"ptr", SPF_PTR, DOMAIN_MAYBE}, {"ip4", SPF_IP, ADDRESS4},
    {"ip6", SPF_IP, ADDRESS6},      {"exists", SPF_EXISTS, DOMAIN_NEEDED},
};

/* ---- prefixes ---- */

/* "0", "24": no sign, no leading zero, up to the most. Takes the digits at the end of the text. */
static bool take_bits(const char *digits, unsigned most, unsigned *bits)
{
    uint64_t number;
    if ((digits[0] == '0' && digits[1]) || !text_to_number(digits, 0, most, &number))
        return false;
    *bits = (unsigned)number;
    return true;
}

/* Where digits at the end begin, if a '/' stands before them; NULL: none. */
static char *find_bits(char *text)
{
    char *end = text + strlen(text);
    while (end > text && isdigit((unsigned char)end[-1]))
        end--;
    return end > text && end[-1] == '/' ? end : NULL;
}

/* Cuts "/bits" and "//bits" off the end. */
static bool cut_dual_bits(char *text, unsigned *bits4, unsigned *bits6)
{
    char *digits = find_bits(text);
    if (digits && digits - text >= 2 && digits[-2] == '/') {
        if (!take_bits(digits, 128, bits6))
            return false;
        digits[-2] = '\0';
        digits = find_bits(text);
    }
    if (digits) {
        if (!take_bits(digits, 32, bits4))
            return false;
        digits[-1] = '\0';
    }
    return true;
}

/* An address that has bits behind its prefix is fine here: they do not count. */
static bool take_network(char *text, int family, struct network *network)
{
    network->family = family;
    network->bits = family == AF_INET ? 32 : 128;
    char *slash = strchr(text, '/');
    if (slash && !take_bits(slash + 1, network->bits, &network->bits))
        return false;
    if (slash)
        *slash = '\0';
    return inet_pton(family, text, network->address) == 1;
}

/* ---- terms ---- */

static bool take_domain(const char *text, struct spf_term *term)
{
    if (!spf_macro_is_domain(text))
        return false;
    term->domain = memory_copy(text, strlen(text));
    return true;
}

static bool take_argument(enum argument argument, char *text, struct spf_term *term)
{
    switch (argument) {
    case NOTHING:
        return !*text;
    case DOMAIN_NEEDED:
        return *text == ':' && take_domain(text + 1, term);
    case DOMAIN_MAYBE:
        return !*text || (*text == ':' && take_domain(text + 1, term));
    case DOMAIN_AND_BITS:
        if (!cut_dual_bits(text, &term->bits4, &term->bits6))
            return false;
        return !*text || (*text == ':' && take_domain(text + 1, term));
    case ADDRESS4:
        return *text == ':' && take_network(text + 1, AF_INET, &term->network);
    case ADDRESS6:
        return *text == ':' && take_network(text + 1, AF_INET6, &term->network);
    }
    return false;
}

static enum spf_result take_qualifier(char **text)
{
    static const struct {
        char sign;
        enum spf_result result;
    } signs[] = {{'+', SPF_PASS}, {'-', SPF_FAIL}, {'~', SPF_SOFTFAIL}, {'?', SPF_NEUTRAL}};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (**text == signs[i].sign) {
            ++*text;
            return signs[i].result;
        }
    return SPF_PASS;
}

static bool take_mechanism(char *text, struct spf_term *term)
{
    term->result = take_qualifier(&text);
    size_t length = strcspn(text, ":/");
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++)
        if (strlen(mechanisms[i].name) == length && text_starts(text, mechanisms[i].name)) {
            term->kind = mechanisms[i].kind;
            return take_argument(mechanisms[i].argument, text + length, term);
        }
    return false;
}

static bool take_modifier(const char *name, size_t length, const char *value, struct spf_term *term)
{
    term->kind = SPF_UNKNOWN;
    if (length == strlen("redirect") && text_starts(name, "redirect"))
        term->kind = SPF_REDIRECT;
    else if (length == strlen("exp") && text_starts(name, "exp"))
        term->kind = SPF_EXP;
    else
        return spf_macro_is_string(value);
    return take_domain(value, term);
}

/* The length of a name that a '=' ends; 0: it is no modifier. */
static size_t modifier_name(const char *text)
{
    size_t length = 0;
    if (!isalpha((unsigned char)*text))
        return 0;
    while (isalnum((unsigned char)text[length]) || (text[length] && strchr("-_.", text[length])))
        length++;
    return text[length] == '=' ? length : 0;
}

static bool take_term(char *text, struct spf_record *record)
{
    record->terms = memory_resize(record->terms, (record->count + 1) * sizeof *record->terms);
    struct spf_term *term = &record->terms[record->count++];
    *term = (struct spf_term){.bits4 = 32, .bits6 = 128};
    size_t name = modifier_name(text);
    bool good =
        name ? take_modifier(text, name, text + name + 1, term) : take_mechanism(text, term);
    /* redirect and exp may stand there once. */
    if (good && (term->kind == SPF_REDIRECT || term->kind == SPF_EXP))
        for (size_t i = 0; i + 1 < record->count; i++)
            good = good && record->terms[i].kind != term->kind;
    return good;
}

bool spf_record_parse(const char *text, struct spf_record *record)
{
    *record = (struct spf_record){0};
    if (!text_is_ascii(text))
        return false;
    char *copy = memory_copy(text, strlen(text)), *rest = copy + strlen(version), *word;
    bool good = true;
    while (good && (word = strsep(&rest, " ")))
        good = !*word || take_term(word, record);
    free(copy);
    return good;
}

void spf_record_free(struct spf_record *record)
{
    for (size_t i = 0; i < record->count; i++)
        free(record->terms[i].domain);
    free(record->terms);
    *record = (struct spf_record){0};
}

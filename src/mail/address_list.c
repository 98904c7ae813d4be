/*
 * The parser of addresses: RFC 5322 3.4 with the obs-forms of 4.4, RFC 5321 4.1.2 for what a
 * command line gives. Kinder than the grammar where real mail is: dots anywhere in a local part,
 * unquoted '@' and the like in a display name. Each byte is looked at a fixed number of times.
 * Never knows where the text came from, nor what becomes of the addresses.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "mail/address.h"
#include "mail/domain.h"
#include "mail/scanner.h"

/* Four times what RFC 5321 4.5.3.1.1 asks for, as real systems make longer ones. */
enum { LOCAL_LONGEST = 255 };

/* Takes over the words of a local part; they stay the caller's when it fails. */
static bool check_local(struct scanner *scanner, const struct buffer *local)
{
    const char *text = buffer_text(local);
    if (!text[strspn(text, ".")])
        return scan_fail(scanner, "no user name");
    if (local->length > LOCAL_LONGEST)
        return scan_fail(scanner, "user name of over 255 bytes");
    if (!text_is_utf8(text, local->length))
        return scan_fail(scanner, "user name that is not valid UTF-8");
    /* U+0080 to U+009F are control characters, too: a terminal can be steered with them. */
    for (const char *c = text; *c; c++)
        if (scan_is_control(*c) || ((unsigned char)*c == 0xC2 && (unsigned char)c[1] < 0xA0))
            return scan_fail(scanner, "control character");
    return true;
}

/* Words with dots between them, white space and comments around each; *end behind the last. */
static bool scan_local(struct scanner *scanner, struct buffer *local, size_t *end)
{
    bool word_may_follow = true;
    for (;;) {
        char c = scan_peek(scanner);
        size_t begin = scanner->at;
        if (c == '.') {
            scanner->at++;
            buffer_append_byte(local, c);
            word_may_follow = true;
        } else if (c == '"' && word_may_follow) {
            if (!scan_quoted(scanner, local))
                return false;
            word_may_follow = false;
        } else if (scan_is_atext(c) && word_may_follow) {
            while (scan_is_atext(scan_peek(scanner)))
                scanner->at++;
            buffer_append(local, scanner->text + begin, scanner->at - begin);
            word_may_follow = false;
        } else {
            return check_local(scanner, local);
        }
        *end = scanner->at;
        if (!scan_space(scanner))
            return false;
    }
}

/* Behind an '@'. domain NULL: only passed, as in a source route. */
static bool scan_domain(struct scanner *scanner, char **domain, size_t *end)
{
    char *parsed = NULL;
    bool good;
    if (!scan_space(scanner))
        return false;
    size_t begin = scanner->at;
    if (scan_peek(scanner) == '[') {
        if (!scan_literal(scanner))
            return false;
        *end = scanner->at;
        good = domain_parse_literal(scanner->text + begin, *end - begin, &parsed, &scanner->why);
    } else {
        struct buffer name = {0};
        bool label_may_follow = true;
        char c;
        while ((c = scan_peek(scanner)) == '.' || (label_may_follow && scan_is_atext(c))) {
            begin = scanner->at++;
            label_may_follow = c == '.';
            while (c != '.' && scan_is_atext(scan_peek(scanner)))
                scanner->at++;
            buffer_append(&name, scanner->text + begin, scanner->at - begin);
            *end = scanner->at;
            if (!scan_space(scanner)) {
                buffer_free(&name);
                return false;
            }
        }
        good = domain_parse(buffer_text(&name), name.length, &parsed, &scanner->why);
        buffer_free(&name);
    }
    if (domain)
        *domain = parsed;
    else
        free(parsed);
    return good && scan_space(scanner);
}

/* "@one,@two:" before an addr-spec: dropped, as RFC 5321 appendix C wants. */
static bool scan_route(struct scanner *scanner)
{
    size_t end;
    while (scan_peek(scanner) == '@' || scan_peek(scanner) == ',') {
        bool domain = scan_peek(scanner) == '@';
        scanner->at++;
        if (domain ? !scan_domain(scanner, NULL, &end) : !scan_space(scanner))
            return false;
    }
    if (scan_peek(scanner) != ':')
        return scan_fail(scanner, "source route without a colon");
    scanner->at++;
    return scan_space(scanner);
}

/* An addr-spec, a route before it allowed; the domain may be missing. Fills the place. */
static bool scan_spec(struct scanner *scanner, struct address_place *place)
{
    if (!scan_space(scanner) || (scan_peek(scanner) == '@' && !scan_route(scanner)))
        return false;
    struct buffer local = {0};
    char *domain = NULL;
    place->start = scanner->at;
    bool good = scan_local(scanner, &local, &place->end);
    if (good && scan_peek(scanner) == '@') {
        scanner->at++;
        good = scan_domain(scanner, &domain, &place->end);
    }
    if (!good) {
        free(domain);
        buffer_free(&local);
        return false;
    }
    place->address = (struct address){.local = buffer_take(&local), .domain = domain};
    return true;
}

/*
 * Looks ahead over an entry for the byte that tells what it is: '<' after a display name, ':'
 * after the name of a group, else ',' or ';' or the end after a bare addr-spec.
 */
static bool find_stop(struct scanner *scanner)
{
    bool behind_at = false;
    for (;;) {
        if (!scan_space(scanner))
            return false;
        char c = scan_peek(scanner);
        bool good = true;
        if (c == '\0' || strchr("<,;:", c))
            return true;
        if (c == '"')
            good = scan_quoted(scanner, NULL);
        else if (c == '[' && behind_at)
            good = scan_literal(scanner);
        else if (c == ')' || c == '>')
            good = scan_fail(scanner, c == '>' ? "'>' without '<'" : "')' without '('");
        else
            scanner->at += 1 + (c == '\\' && !scan_is_control(scanner->text[scanner->at + 1]));
        if (!good)
            return false;
        behind_at = c == '@';
    }
}

/* From '<' to behind '>'. The null path leaves the address zeroed. */
static bool scan_angle(struct scanner *scanner, struct address_place *place)
{
    scanner->at++;
    if (!scan_space(scanner))
        return false;
    if (scan_peek(scanner) == '>')
        *place = (struct address_place){.start = scanner->at, .end = scanner->at};
    else if (!scan_spec(scanner, place))
        return false;
    if (scan_peek(scanner) != '>') {
        address_free(&place->address);
        return scan_fail(scanner,
                         scan_peek(scanner) ? "stray characters before '>'" : "'<' without '>'");
    }
    scanner->at++;
    return true;
}

enum entry { ENTRY_ADDRESS, ENTRY_GROUP, ENTRY_FAULT };

/* The next entry of a list, white space before it passed already. Fills place for an address. */
static enum entry scan_entry(struct scanner *scanner, struct address_place *place)
{
    size_t begin = scanner->at;
    bool bare_route = scan_peek(scanner) == '@';
    if (bare_route) {
        if (!scan_spec(scanner, place))
            return ENTRY_FAULT;
    } else {
        if (!find_stop(scanner))
            return ENTRY_FAULT;
        char stop = scan_peek(scanner);
        if (stop == ':') {
            scanner->at++;
            return ENTRY_GROUP;
        }
        if (stop != '<')
            scanner->at = begin;
        if (stop == '<' ? !scan_angle(scanner, place) : !scan_spec(scanner, place))
            return ENTRY_FAULT;
    }
    char next;
    if (scan_space(scanner) && ((next = scan_peek(scanner)) == '\0' || next == ',' || next == ';'))
        return ENTRY_ADDRESS;
    address_free(&place->address);
    scan_fail(scanner, "stray characters behind the address");
    return ENTRY_FAULT;
}

static bool fail(const char **why, const char *words)
{
    *why = words;
    return false;
}

bool address_parse(const char *text, struct address *address, const char **why)
{
    *address = (struct address){0};
    for (const char *c = text; *c; c++)
        if (scan_is_control(*c) && *c != '\t')
            return fail(why, "control character");
    struct scanner scanner = {.text = text};
    struct address_place place = {0};
    if (!scan_space(&scanner))
        return fail(why, scanner.why);
    if (!scan_peek(&scanner))
        return fail(why, "empty address");
    switch (scan_entry(&scanner, &place)) {
    case ENTRY_FAULT:
        return fail(why, scanner.why);
    case ENTRY_GROUP:
        return fail(why, "group where one address is wanted");
    case ENTRY_ADDRESS:
        break;
    }
    if (scan_peek(&scanner)) {
        address_free(&place.address);
        return fail(why, "more than one address");
    }
    *address = place.address;
    return true;
}

static void add_place(struct addresses *list, struct address_place place)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 4;
        list->items = memory_resize(list->items, list->capacity * sizeof *list->items);
    }
    list->items[list->count++] = place;
}

bool addresses_parse(const char *text, struct addresses *list, const char **why)
{
    struct scanner scanner = {.text = text};
    bool in_group = false;
    while (scan_space(&scanner)) {
        char c = scan_peek(&scanner);
        if (c == '\0')
            return in_group ? fail(why, "group without ';' at its end") : true;
        if (c == ',' || (c == ';' && in_group)) {
            in_group = in_group && c != ';';
            scanner.at++;
            continue;
        }
        struct address_place place = {0};
        list->fault = scanner.at;
        enum entry entry = scan_entry(&scanner, &place);
        if (entry == ENTRY_FAULT)
            break;
        if (entry == ENTRY_GROUP && in_group)
            return fail(why, "group inside a group");
        if (entry == ENTRY_GROUP)
            in_group = true;
        else if (address_is_null(&place.address))
            return fail(why, "empty address");
        else
            add_place(list, place);
    }
    return fail(why, scanner.why);
}

void addresses_free(struct addresses *list)
{
    for (size_t i = 0; i < list->count; i++)
        address_free(&list->items[i].address);
    free(list->items);
    *list = (struct addresses){0};
}

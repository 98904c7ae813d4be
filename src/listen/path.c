/*
 * Paths. Knows the grammar of RFC 5321 4.1.2 with the UTF-8 of RFC 6531 3.3; must never know who
 * may send where. Two things are taken that the grammar does not have, as people's addresses have
 * them: dots at the ends of a local part or side by side, and a last dot of a domain. A local part
 * over the 64 octets of 4.5.3.1.1 is taken as well, up to what a path holds: senders that were
 * rewritten for their bounces (VERP, SRS) are often longer, and refusing them loses mail.
 */
#include "listen/path.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "mail/domain.h"
#include "mail/scanner.h"

/* What may stand in a local part or a domain without quotes. */
static bool is_word(char c)
{
    return c == '.' || scan_is_atext(c);
}

static void take_dot_string(struct scanner *scanner, struct buffer *local)
{
    for (; is_word(scan_peek(scanner)); scanner->at++)
        buffer_append_byte(local, scan_peek(scanner));
}

static bool take_local(struct scanner *scanner, struct buffer *local)
{
    if (scan_peek(scanner) != '"')
        take_dot_string(scanner, local);
    else if (!scan_quoted(scanner, local))
        return false;
    const char *text = buffer_text(local);
    /* Nothing but dots names nobody. */
    if (!text[strspn(text, ".")])
        return scan_fail(scanner, "no user name");
    if (!text_is_utf8(text, local->length))
        return scan_fail(scanner, "user name that is not valid UTF-8");
    /* U+0080 to U+009F are control characters, too. */
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c == 0xC2 && (unsigned char)c[1] < 0xA0)
            return scan_fail(scanner, "control character");
    return true;
}

static bool take_domain(struct scanner *scanner, char **domain)
{
    size_t begin = scanner->at;
    if (scan_peek(scanner) == '[') {
        if (!scan_literal(scanner))
            return false;
        return domain_parse_literal(scanner->text + begin, scanner->at - begin, domain,
                                    &scanner->why);
    }
    while (is_word(scan_peek(scanner)))
        scanner->at++;
    return domain_parse(scanner->text + begin, scanner->at - begin, domain, &scanner->why);
}

/* "@one,@two:" before the address; its domains are looked at and forgotten. */
static bool pass_route(struct scanner *scanner)
{
    for (;;) {
        char *domain;
        scanner->at++;
        if (!take_domain(scanner, &domain))
            return false;
        free(domain);
        char c = scan_peek(scanner);
        scanner->at += c == ',' || c == ':';
        if (c == ':')
            return true;
        if (c != ',' || scan_peek(scanner) != '@')
            return scan_fail(scanner, "source route without a colon");
    }
}

static bool take_mailbox(struct scanner *scanner, struct address *address)
{
    bool route = scan_peek(scanner) == '@';
    if (route && !pass_route(scanner))
        return false;
    struct buffer local = {0};
    bool good = take_local(scanner, &local);
    address->local = buffer_take(&local);
    if (good && scan_peek(scanner) == '@') {
        scanner->at++;
        return take_domain(scanner, &address->domain);
    }
    if (good && route)
        return scan_fail(scanner, "source route to a name without a domain");
    return good;
}

static bool take_path(struct scanner *scanner, struct path *path)
{
    if (scan_peek(scanner) != '<')
        return scan_fail(scanner, "address without angle brackets");
    scanner->at++;
    if (scan_peek(scanner) != '>' && !take_mailbox(scanner, &path->address))
        return false;
    if (scan_peek(scanner) != '>')
        return scan_fail(scanner,
                         scan_peek(scanner) ? "stray characters before '>'" : "'<' without '>'");
    path->length = ++scanner->at;
    if (path->length > PATH_LONGEST)
        return scan_fail(scanner, "path of over 256 bytes");
    for (size_t i = 0; i < path->length; i++)
        path->utf8 = path->utf8 || (unsigned char)scanner->text[i] > 127;
    return true;
}

bool path_parse(const char *text, struct path *path, const char **why)
{
    *path = (struct path){0};
    struct scanner scanner = {.text = text};
    bool good = true;
    for (const char *c = text; good && *c; c++)
        if (scan_is_control(*c))
            good = scan_fail(&scanner, "control character");
    if (good && take_path(&scanner, path))
        return true;
    *why = scanner.why;
    address_free(&path->address);
    *path = (struct path){0};
    return false;
}

/* See marks.h. What a stranger chose goes into a field quoted, and cannot get out of it. */
#include "filter/marks.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/network.h"
#include "mail/domain.h"

static const char results_name[] = "Authentication-Results", spf_name[] = "Received-SPF";
static const char white[] = " \t\r\n";

/* ---- whose a field is ---- */

/* Behind white space, folds and comments, which may be nested; one without an end goes to the end.
 */
static const char *skip_comments(const char *at)
{
    size_t depth = 0;
    for (; *at && (depth || strchr(white, *at) || *at == '('); at++) {
        if (*at == '(')
            depth++;
        else if (*at == ')')
            depth--;
        else if (*at == '\\' && at[1])
            at++;
    }
    return at;
}

/* White space within quotes is none that anybody would see. */
static const char *take_quoted(const char *at, struct buffer *id)
{
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1])
            at++;
        if (!strchr(white, *at))
            buffer_append_byte(id, *at);
    }
    return *at ? at + 1 : at;
}

/* The first word, without quotes and comments; dots hold it together, also over white space. */
static void read_id(const char *body, struct buffer *id)
{
    const char *at = skip_comments(body);
    while (*at && *at != ';') {
        const char *begin = at;
        at = *at == '"' ? take_quoted(at, id) : at + strcspn(at, " \t\r\n();\"");
        if (*begin != '"')
            buffer_append(id, begin, (size_t)(at - begin));
        const char *next = skip_comments(at);
        if (next != at && *next != '.' && (!id->length || id->data[id->length - 1] != '.'))
            return;
        at = next == begin ? next + 1 : next; /* a ')' of no comment */
    }
}

/* Up to what no domain has: a version behind a '/', or what comes of faults. */
static size_t domain_length(const char *id)
{
    const char *c = id;
    while (isalnum((unsigned char)*c) || (*c && strchr("-._", *c)) || (*c & 0x80))
        c++;
    return (size_t)(c - id);
}

bool marks_claim(const struct field *field, const char *hostname)
{
    struct buffer id = {0};
    char *domain;
    const char *why, *text;
    read_id(field_body(field), &id);
    text = buffer_text(&id);
    bool claims = !*text || field_has_nul(field);
    if (domain_parse(text, domain_length(text), &domain, &why)) {
        claims = claims || text_equal(domain, hostname);
        free(domain);
    }
    buffer_free(&id);
    return claims;
}

static bool is_claim(const void *hostname, const struct field *field)
{
    return field_is(field, results_name) && marks_claim(field, hostname);
}

void marks_remove_claims(struct header *header, const char *hostname)
{
    header_remove_if(header, is_claim, hostname);
}

/* ---- what we write ---- */

static bool is_plain(const char *text)
{
    size_t length = strlen(text);
    bool plain = length > 0 && text[0] != '.' && text[length - 1] != '.' && !strstr(text, "..");
    for (const char *c = text; *c; c++)
        plain = plain && (isalnum((unsigned char)*c) || strchr("-._", *c)) && (*c & 0x80) == 0;
    return plain;
}

/* Bytes that may stand in a field; those of UTF-8 come with a sender who needs SMTPUTF8. */
static void append_escaped(struct buffer *body, const char *text, const char *escaped)
{
    bool utf8 = text_is_utf8(text, strlen(text));
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (strchr(escaped, *c))
            buffer_append_byte(body, '\\');
        buffer_append_byte(body, byte < ' ' || byte == 127 || (byte > 127 && !utf8) ? '?' : *c);
    }
}

/* As an atom where it can be, else as a quoted string. */
static void append_value(struct buffer *body, const char *key, const char *text)
{
    buffer_format(body, "%s=", key);
    if (is_plain(text)) {
        buffer_append_text(body, text);
        return;
    }
    buffer_append_byte(body, '"');
    append_escaped(body, text, "\"\\");
    buffer_append_byte(body, '"');
}

static const char *words_for(enum spf_result result)
{
    static const char *const words[] = {"has no SPF record for",
                                        "says neither yes nor no to",
                                        "designates",
                                        "does not designate",
                                        "tends not to designate",
                                        "cannot be asked now for",
                                        "has an SPF record with faults for"};
    return words[result];
}

static void put_received_spf(struct header *header, const char *hostname, const char *address,
                             const char *helo, const struct spf_identities *identities,
                             const struct spf_identity *identity)
{
    struct buffer body = {0};
    const char *sender = identities->sender_text;
    buffer_format(&body, "%s (%s: domain of\n\t", spf_result_name(identity->result), hostname);
    append_escaped(&body, identity->domain, "()\\");
    buffer_format(&body, "\n\t%s %s)\n\t", words_for(identity->result), address);
    append_value(&body, "client-ip", address);
    buffer_append_text(&body, ";\n\t");
    append_value(&body, "envelope-from", *sender ? sender : "<>");
    buffer_append_text(&body, ";\n\t");
    append_value(&body, "helo", helo);
    buffer_format(&body, ";\n\tidentity=%s; ",
                  identity == &identities->sender ? "mailfrom" : "helo");
    append_value(&body, "receiver", hostname);
    header_insert(header, 0, spf_name, buffer_text(&body));
    buffer_free(&body);
}

/* Without the local part: SPF says nothing of it (RFC 8601 2.4). */
static void put_results(struct header *header, const char *hostname,
                        const struct spf_identities *identities)
{
    bool by_sender = identities->sender.asked;
    const struct spf_identity *identity = by_sender ? &identities->sender : &identities->helo;
    struct buffer body = {0};
    buffer_format(&body, "%s;\n\tspf=%s\n\t", hostname, spf_result_name(identity->result));
    append_value(&body, by_sender ? "smtp.mailfrom" : "smtp.helo", identity->domain);
    header_insert(header, 0, results_name, buffer_text(&body));
    buffer_free(&body);
}

void marks_put(struct header *header, const char *hostname, const struct sockaddr *client,
               const char *helo, const struct spf_identities *identities)
{
    struct network network;
    char address[INET6_ADDRSTRLEN];
    if (!network_of(client, &network) ||
        !inet_ntop(network.family, network.address, address, sizeof address))
        return;
    if (!spf_identities_asked(identities))
        return;
    const struct spf_identity *all[] = {&identities->helo, &identities->sender};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i]->asked)
            put_received_spf(header, hostname, address, helo, identities, all[i]);
    if (identities->helo.asked || identities->sender.asked)
        put_results(header, hostname, identities);
}

size_t marks_end(const struct header *header, const struct spf_identities *identities)
{
    size_t end = 0;
    int marks = identities->helo.asked + identities->sender.asked;
    for (int i = spf_identities_asked(identities) ? marks : 0; i > 0; i--) {
        size_t at = header_find(header, spf_name, end);
        end = at < header->count ? at + 1 : end;
    }
    return end;
}

/*
 * check_host() (see spf.h): terms from left to right, with the limits of RFC 7208 4.6.4 over all
 * records together, so that no domain can make us ask without end.
 */
#include "filter/spf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/network.h"
#include "filter/spf_macro.h"
#include "filter/spf_record.h"
#include "net/questions.h"

enum {
    MOST_LOOKUPS = 10, /* of terms that ask the DNS */
    MOST_VOID = 2,     /* of questions that had no answer */
    MOST_MX = 10,
    MOST_PTR = 10,
    MOST_EXPLAINED = 500 /* bytes */
};

struct check {
    const struct spf_query *query;
    struct network client; /* one address */
    char address[64];      /* %{i} */
    char readable[INET6_ADDRSTRLEN];
    struct texts names; /* the client's, see client_names */
    bool named;         /* they have been asked for */
    unsigned lookups, voids;
    struct answer *answer;
    struct buffer *explanation;
};

/* What a term or a whole record comes to, beside a result: none of it matched. */
enum match { NO_MATCH, MATCH, FAILED_NOW, FAILED };

const char *spf_result_name(enum spf_result result)
{
    static const char *const names[] = {"none",     "neutral",   "pass",     "fail",
                                        "softfail", "temperror", "permerror"};
    return names[result];
}

/* ---- the client's address ---- */

static bool take_client(struct check *check)
{
    const struct sockaddr *address = check->query->client;
    if (!network_of(address, &check->client))
        return false;
    const unsigned char *bytes = check->client.address;
    if (!inet_ntop(check->client.family, bytes, check->readable, sizeof check->readable))
        return false;
    if (check->client.family == AF_INET) {
        snprintf(check->address, sizeof check->address, "%s", check->readable);
        return true;
    }
    for (size_t i = 0; i < 32; i++) {
        unsigned nibble = i % 2 ? bytes[i / 2] & 15u : bytes[i / 2] >> 4;
        check->address[2 * i] = "0123456789ABCDEF"[nibble];
        check->address[2 * i + 1] = i < 31 ? '.' : '\0';
    }
    return true;
}

/* ---- questions ---- */

static bool is_askable(const char *name)
{
    size_t length = strlen(name), label = 0;
    if (length == 0 || length > 253)
        return false;
    for (const char *c = name; *c; c++) {
        label = *c == '.' ? 0 : label + 1;
        if (label > 63 || (*c == '.' && (c == name || c[1] == '.' || !c[1])))
            return false;
    }
    return true;
}

static enum resolved ask(struct check *check, const char *name, ns_type type)
{
    if (!is_askable(name))
        return NO_DOMAIN;
    const struct spf_query *query = check->query;
    int64_t deadline = clock_ms() + query->question_ms;
    if (!query->question_ms || deadline > query->deadline)
        deadline = query->deadline;
    if (clock_ms() >= deadline)
        return NO_ANSWER;
    enum resolved found = questions_ask_one(query->resolver, name, type, deadline, check->answer);
    if (found != RESOLVED)
        return found;
    for (int i = 0; i < answer_count(check->answer); i++) {
        ns_rr record;
        if (answer_record(check->answer, i, type, &record))
            return RESOLVED;
    }
    return NO_RECORDS;
}

/* One that asks for a term; without an answer it is one of the few that may be. */
static enum match ask_for_term(struct check *check, const char *name, ns_type type)
{
    enum resolved found = ask(check, name, type);
    if (found == NO_ANSWER)
        return FAILED_NOW;
    if (found == RESOLVED)
        return MATCH;
    return ++check->voids > MOST_VOID ? FAILED : NO_MATCH;
}

/* Whether one of the addresses in the answer is the client's, as far as the prefix goes. */
static bool has_client(struct check *check, unsigned bits)
{
    bool v4 = check->client.family == AF_INET;
    bool found = false;
    for (int i = 0; i < answer_count(check->answer) && !found; i++) {
        ns_rr record;
        struct network network = {.family = check->client.family, .bits = bits};
        if (!answer_record(check->answer, i, v4 ? ns_t_a : ns_t_aaaa, &record) ||
            ns_rr_rdlen(record) != (v4 ? 4 : 16))
            continue;
        memcpy(network.address, ns_rr_rdata(record), ns_rr_rdlen(record));
        found = network_covers(&network, &check->client);
    }
    return found;
}

static ns_type address_type(const struct check *check)
{
    return check->client.family == AF_INET ? ns_t_a : ns_t_aaaa;
}

static unsigned bits_of(const struct check *check, const struct spf_term *term)
{
    return check->client.family == AF_INET ? term->bits4 : term->bits6;
}

/* The TXT record of this kind at a name, its strings joined; the count of those there are. */
static size_t take_texts(struct check *check, bool spf_only, struct buffer *text)
{
    size_t count = 0;
    for (int i = 0; i < answer_count(check->answer); i++) {
        ns_rr record;
        if (!answer_record(check->answer, i, ns_t_txt, &record))
            continue;
        struct buffer one = {0};
        const unsigned char *at = ns_rr_rdata(record), *end = at + ns_rr_rdlen(record);
        while (at < end && at + 1 + *at <= end) {
            buffer_append(&one, at + 1, *at);
            at += 1 + *at;
        }
        bool whole = strlen(buffer_text(&one)) == one.length;
        if ((!spf_only || spf_record_is(buffer_text(&one))) && ++count == 1 && whole)
            buffer_append(text, buffer_text(&one), one.length);
        buffer_free(&one);
    }
    return count;
}

/* ---- names of the client ---- */

/*
 * Names that the client's address has, and that have its address; at most so many are looked at,
 * and once, however often a domain wants to know.
 */
static const struct texts *client_names(struct check *check)
{
    if (check->named)
        return &check->names;
    check->named = true;
    struct texts found = {0};
    struct buffer question = {0};
    network_format_reversed(&check->client, &question);
    buffer_format(&question, ".%s.arpa", check->client.family == AF_INET ? "in-addr" : "ip6");
    if (ask(check, buffer_text(&question), ns_t_ptr) == RESOLVED)
        for (int i = 0; i < answer_count(check->answer) && found.count < MOST_PTR; i++) {
            ns_rr record;
            char name[NS_MAXDNAME];
            if (answer_record(check->answer, i, ns_t_ptr, &record) &&
                answer_any_name(check->answer, ns_rr_rdata(record), name) && *name)
                texts_add(&found, name);
        }
    for (size_t i = 0; i < found.count; i++)
        if (ask(check, found.items[i], address_type(check)) == RESOLVED &&
            has_client(check, check->client.bits))
            texts_add(&check->names, found.items[i]);
    texts_free(&found);
    buffer_free(&question);
    return &check->names;
}

static bool is_below(const char *name, const char *domain)
{
    size_t length = strlen(name), part = strlen(domain);
    return length > part && name[length - part - 1] == '.' &&
           text_equal(name + length - part, domain);
}

struct name_wish {
    struct check *check;
    const char *domain;
};

/* %{p}: a name of the client, of the domain itself if there is one, else below it, else any. */
static const char *validated_name(void *context)
{
    const struct name_wish *wish = context;
    const struct texts *names = client_names(wish->check);
    const char *best = "unknown";
    int rank = 0;
    for (size_t i = 0; i < names->count; i++) {
        int here = text_equal(names->items[i], wish->domain) ? 3
                   : is_below(names->items[i], wish->domain) ? 2
                                                             : 1;
        if (here > rank) {
            rank = here;
            best = names->items[i];
        }
    }
    return best;
}

/* ---- terms ---- */

static bool expand(struct check *check, const char *domain, const char *text, bool explains,
                   struct buffer *expanded)
{
    struct name_wish wish = {check, domain};
    const struct spf_names names = {
        .local = check->query->local,
        .sender_domain = check->query->domain,
        .domain = domain,
        .helo = check->query->helo,
        .address = check->address,
        .readable = check->readable,
        .family = check->client.family == AF_INET ? "in-addr" : "ip6",
        .receiver = check->query->receiver,
        .validated = validated_name,
        .context = &wish,
    };
    return explains ? spf_macro_expand(text, &names, true, expanded)
                    : spf_macro_expand_domain(text, &names, expanded);
}

static enum match match_a(struct check *check, const struct spf_term *term, const char *target)
{
    enum match found = ask_for_term(check, target, address_type(check));
    return found == MATCH && !has_client(check, bits_of(check, term)) ? NO_MATCH : found;
}

static enum match match_mx(struct check *check, const struct spf_term *term, const char *target)
{
    struct texts hosts = {0};
    bool any = false;
    enum match found = ask_for_term(check, target, ns_t_mx);
    for (int i = 0; found == MATCH && i < answer_count(check->answer); i++) {
        ns_rr record;
        char name[NS_MAXDNAME];
        if (!answer_record(check->answer, i, ns_t_mx, &record) || ns_rr_rdlen(record) < 3)
            continue;
        if (hosts.count == MOST_MX)
            found = FAILED;
        else if (answer_any_name(check->answer, ns_rr_rdata(record) + 2, name))
            texts_add(&hosts, name);
    }
    if (found == MATCH)
        found = NO_MATCH;
    /* Terms without an answer are limited, and this is one term (RFC 7208 4.6.4). */
    for (size_t i = 0; i < hosts.count && found == NO_MATCH; i++) {
        enum resolved asked = ask(check, hosts.items[i], address_type(check));
        if (asked == NO_ANSWER)
            found = FAILED_NOW;
        else if (asked == RESOLVED && has_client(check, bits_of(check, term)))
            found = MATCH;
        any = any || asked == RESOLVED;
    }
    if (found == NO_MATCH && hosts.count && !any && ++check->voids > MOST_VOID)
        found = FAILED;
    texts_free(&hosts);
    return found;
}

static enum match match_ptr(struct check *check, const char *target)
{
    const struct texts *names = client_names(check);
    bool found = false;
    for (size_t i = 0; i < names->count; i++)
        found = found || text_equal(names->items[i], target) || is_below(names->items[i], target);
    return found ? MATCH : NO_MATCH;
}

static enum spf_result check_domain(struct check *check, const char *domain, bool included);

static enum match match_include(struct check *check, const char *target)
{
    switch (check_domain(check, target, true)) {
    case SPF_PASS:
        return MATCH;
    case SPF_TEMPERROR:
        return FAILED_NOW;
    case SPF_PERMERROR:
    case SPF_NONE:
        return FAILED;
    default:
        return NO_MATCH;
    }
}

static bool asks(enum spf_kind kind)
{
    return kind == SPF_INCLUDE || kind == SPF_A || kind == SPF_MX || kind == SPF_PTR ||
           kind == SPF_EXISTS || kind == SPF_REDIRECT;
}

static enum match match_term(struct check *check, const struct spf_term *term, const char *domain)
{
    if (term->kind == SPF_ALL)
        return MATCH;
    if (term->kind == SPF_IP)
        return network_covers(&term->network, &check->client) ? MATCH : NO_MATCH;
    if (!asks(term->kind) || term->kind == SPF_REDIRECT)
        return NO_MATCH;
    if (++check->lookups > MOST_LOOKUPS)
        return FAILED;
    struct buffer target = {0};
    enum match found = FAILED;
    if (!term->domain)
        buffer_append_text(&target, domain);
    if (!term->domain || expand(check, domain, term->domain, false, &target)) {
        const char *name = buffer_text(&target);
        found = term->kind == SPF_A        ? match_a(check, term, name)
                : term->kind == SPF_MX     ? match_mx(check, term, name)
                : term->kind == SPF_PTR    ? match_ptr(check, name)
                : term->kind == SPF_EXISTS ? ask_for_term(check, name, ns_t_a)
                                           : match_include(check, name);
    }
    buffer_free(&target);
    return found;
}

/* ---- records ---- */

static const struct spf_term *find_term(const struct spf_record *record, enum spf_kind kind)
{
    for (size_t i = 0; i < record->count; i++)
        if (record->terms[i].kind == kind)
            return &record->terms[i];
    return NULL;
}

/* What a domain wants to be said of a fail. Whatever is wrong with it: nothing is said. */
static void explain(struct check *check, const struct spf_record *record, const char *domain)
{
    const struct spf_term *term = find_term(record, SPF_EXP);
    struct buffer target = {0}, text = {0}, words = {.limit = MOST_EXPLAINED};
    buffer_clear(check->explanation);
    if (term && expand(check, domain, term->domain, false, &target) &&
        ask(check, buffer_text(&target), ns_t_txt) == RESOLVED &&
        take_texts(check, false, &text) == 1 && text_is_ascii(buffer_text(&text)) &&
        expand(check, domain, buffer_text(&text), true, &words)) {
        char *clean = buffer_take(&words);
        text_clean(clean);
        buffer_append_text(check->explanation, clean);
        free(clean);
    }
    buffer_free(&target);
    buffer_free(&text);
    buffer_free(&words);
}

static enum spf_result redirect(struct check *check, const struct spf_term *term,
                                const char *domain, bool included)
{
    struct buffer target = {0};
    enum spf_result result = SPF_PERMERROR;
    if (++check->lookups <= MOST_LOOKUPS && expand(check, domain, term->domain, false, &target))
        result = check_domain(check, buffer_text(&target), included);
    buffer_free(&target);
    return result == SPF_NONE ? SPF_PERMERROR : result;
}

static enum spf_result evaluate(struct check *check, const struct spf_record *record,
                                const char *domain, bool included)
{
    for (size_t i = 0; i < record->count; i++) {
        const struct spf_term *term = &record->terms[i];
        enum match found = match_term(check, term, domain);
        if (found == FAILED_NOW)
            return SPF_TEMPERROR;
        if (found == FAILED)
            return SPF_PERMERROR;
        if (found == NO_MATCH)
            continue;
        if (term->result == SPF_FAIL && !included)
            explain(check, record, domain);
        return term->result;
    }
    const struct spf_term *other = find_term(record, SPF_REDIRECT);
    return other ? redirect(check, other, domain, included) : SPF_NEUTRAL;
}

static enum spf_result check_domain(struct check *check, const char *domain, bool included)
{
    struct buffer text = {0};
    struct spf_record record = {0};
    enum spf_result result;
    if (!is_askable(domain) || !strchr(domain, '.') || *domain == '[')
        return SPF_NONE;
    enum resolved found = ask(check, domain, ns_t_txt);
    size_t count = found == RESOLVED ? take_texts(check, true, &text) : 0;
    if (found == NO_ANSWER)
        result = SPF_TEMPERROR;
    else if (count == 0)
        result = SPF_NONE;
    else if (count > 1 || !text.length || !spf_record_parse(buffer_text(&text), &record))
        result = SPF_PERMERROR;
    else
        result = evaluate(check, &record, domain, included);
    spf_record_free(&record);
    buffer_free(&text);
    return result;
}

enum spf_result spf_check(const struct spf_query *query, struct buffer *explanation)
{
    struct check check = {.query = query, .explanation = explanation};
    if (!take_client(&check))
        return SPF_NONE;
    check.answer = memory_get(sizeof *check.answer);
    enum spf_result result = check_domain(&check, query->domain, false);
    texts_free(&check.names);
    free(check.answer);
    return result;
}

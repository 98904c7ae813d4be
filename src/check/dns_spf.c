/*
 * See dns_spf.h. Includes are followed whether or not a client would get that far: a record is good
 * only when it is good for all. What strangers wrote is shown as it is; findings tame it.
 */
#include "check/dns_spf.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "filter/spf_record.h"
#include "mail/txt_record.h"

enum {
    MOST_LOOKUPS = 10,
    MOST_FOLLOWED = 20, /* beyond that nobody needs to know how many there are */
    MOST_SHOWN = 200    /* bytes of a record in a sentence */
};

static const char topic[] = "spf";

/* ---- records ---- */

static void find_records(const struct dns_page *page, struct texts *records)
{
    for (size_t i = 0; i < page->values.count; i++)
        if (spf_record_is(page->values.items[i]))
            texts_add(records, page->values.items[i]);
}

/* A term alone, as a record of its own. */
static bool parse_term(const char *word, struct spf_record *record)
{
    struct buffer text = {0};
    buffer_format(&text, "v=spf1 %s", word);
    bool good = spf_record_parse(buffer_text(&text), record) && record->count == 1;
    buffer_free(&text);
    return good;
}

static bool has_word(const struct texts *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++)
        if (text_equal(words->items[i], word))
            return true;
    return false;
}

struct parts {
    struct texts words;
    struct texts redirects;
    bool fails; /* one ended in -all */
};

static void sort_word(const char *word, struct parts *parts)
{
    struct spf_record record = {0};
    /* What would have to be quoted in a zone file is left to its owner. */
    if (!strpbrk(word, "\"\\") && parse_term(word, &record)) {
        const struct spf_term *term = &record.terms[0];
        if (term->kind == SPF_ALL)
            parts->fails = parts->fails || term->result == SPF_FAIL;
        else if (term->kind == SPF_REDIRECT)
            texts_add(&parts->redirects, word);
        else if (!has_word(&parts->words, word))
            texts_add(&parts->words, word);
    }
    spf_record_free(&record);
}

static void put_words(const struct texts *words, struct buffer *record)
{
    for (size_t i = 0; i < words->count; i++)
        buffer_format(record, " %s", words->items[i]);
}

void dns_spf_compose(const struct dns_sender *sender, const struct texts *records,
                     struct buffer *record)
{
    struct parts parts = {0};
    for (size_t i = 0; i < records->count; i++) {
        char *copy = memory_copy(records->items[i], strlen(records->items[i])), *rest = copy, *word;
        (void)strsep(&rest, " ");
        while ((word = strsep(&rest, " ")))
            if (*word)
                sort_word(word, &parts);
        free(copy);
    }
    bool redirects = parts.redirects.count == 1 && records->count == 1;
    for (size_t i = 0; i < sender->wanted_count; i++)
        if (!has_word(&parts.words, sender->wanted[i].spf))
            texts_add(&parts.words, sender->wanted[i].spf);
    if (sender->usual && !redirects && !parts.words.count)
        texts_add(&parts.words, sender->usual);
    buffer_append_text(record, "v=spf1");
    put_words(&parts.words, record);
    if (redirects)
        put_words(&parts.redirects, record);
    else
        buffer_append_text(record, parts.fails ? " -all" : " ~all");
    texts_free(&parts.words);
    texts_free(&parts.redirects);
}

static void remedy(const struct dns_sender *sender, const struct texts *records,
                   struct findings *findings)
{
    struct buffer record = {0}, text = {0};
    dns_spf_compose(sender, records, &record);
    buffer_format(&text, "%s. IN TXT", sender->domain);
    txt_record_strings(buffer_text(&record), " ", &text);
    finding_remedy(findings, "put into the DNS%s: %s", records->count ? " instead" : "",
                   buffer_text(&text));
    buffer_free(&record);
    buffer_free(&text);
}

/* ---- what it comes to ---- */

struct walk {
    struct dns_book *book;
    const struct dns_sender *sender;
    struct spf_record wanted[DNS_WANTED_MOST]; /* each of one term */
    bool has_wanted[DNS_WANTED_MOST];
    bool waiting; /* not all is known yet */
    unsigned lookups;
    bool has_all;
    enum spf_result all;
    struct buffer fault;   /* in a record that is included; "": none */
    struct buffer unknown; /* a record that could not be had */
};

static bool is_same(const struct spf_term *term, const struct spf_term *wanted)
{
    if (term->result != SPF_PASS)
        return false;
    if (term->kind == SPF_IP)
        return wanted->kind == SPF_IP && network_covers(&term->network, &wanted->network);
    bool kind =
        term->kind == wanted->kind || (term->kind == SPF_REDIRECT && wanted->kind == SPF_INCLUDE);
    return kind && !term->domain == !wanted->domain &&
           (!term->domain || text_equal(term->domain, wanted->domain));
}

static bool asks(enum spf_kind kind)
{
    return kind == SPF_INCLUDE || kind == SPF_A || kind == SPF_MX || kind == SPF_PTR ||
           kind == SPF_EXISTS || kind == SPF_REDIRECT;
}

static bool find_all(const struct spf_record *record, enum spf_result *result)
{
    for (size_t i = 0; i < record->count; i++)
        if (record->terms[i].kind == SPF_ALL) {
            *result = record->terms[i].result;
            return true;
        }
    return false;
}

static void walk_domain(struct walk *walk, const char *domain, bool redirected);

/* redirected: what its "all" says is said for the whole. */
static void walk_record(struct walk *walk, const struct spf_record *record, bool redirected)
{
    enum spf_result result;
    bool has_all = find_all(record, &result);
    if (redirected && has_all) {
        walk->has_all = true;
        walk->all = result;
    }
    for (size_t i = 0; i < record->count; i++) {
        const struct spf_term *term = &record->terms[i];
        bool redirects = term->kind == SPF_REDIRECT;
        if (term->kind == SPF_ALL)
            break;
        if (!asks(term->kind) && term->kind != SPF_IP)
            continue;
        if (redirects && has_all)
            continue;
        walk->lookups += asks(term->kind);
        for (size_t k = 0; k < walk->sender->wanted_count; k++)
            walk->has_wanted[k] = walk->has_wanted[k] || is_same(term, &walk->wanted[k].terms[0]);
        if ((redirects || term->kind == SPF_INCLUDE) && !strchr(term->domain, '%') &&
            walk->lookups <= MOST_FOLLOWED)
            walk_domain(walk, term->domain, redirected && redirects);
    }
}

static void walk_domain(struct walk *walk, const char *domain, bool redirected)
{
    const struct dns_page *page = dns_book_look(walk->book, domain, ns_t_txt);
    struct texts records = {0};
    struct spf_record record = {0};
    const char *fault = NULL;
    if (!page) {
        walk->waiting = true;
        return;
    }
    find_records(page, &records);
    if (page->found == NO_ANSWER)
        buffer_format(&walk->unknown, "%s%s", walk->unknown.length ? ", " : "", domain);
    else if (records.count == 0)
        fault = "has no SPF record";
    else if (records.count > 1)
        fault = "has several SPF records";
    else if (!spf_record_parse(records.items[0], &record))
        fault = "has an SPF record with a mistake in it";
    else
        walk_record(walk, &record, redirected);
    if (fault && !walk->fault.length)
        buffer_format(&walk->fault, "it includes %s, which %s", domain, fault);
    spf_record_free(&record);
    texts_free(&records);
}

/* ---- findings ---- */

static void tell_mistake(const struct dns_sender *sender, const struct texts *records,
                         struct findings *findings)
{
    char *copy = memory_copy(records->items[0], strlen(records->items[0])), *rest = copy, *word;
    const char *bad = "";
    (void)strsep(&rest, " ");
    while ((word = strsep(&rest, " "))) {
        struct spf_record record = {0};
        if (*word && !*bad && !parse_term(word, &record))
            bad = word;
        spf_record_free(&record);
    }
    finding_add(findings, FINDING_WARNING, topic,
                "the SPF record of %s has a mistake%s%.*s, so that it is good for nobody: %.*s",
                sender->domain, *bad ? " at " : "", MOST_SHOWN, bad, MOST_SHOWN, records->items[0]);
    remedy(sender, records, findings);
    free(copy);
}

static void tell_end(const struct dns_sender *sender, const struct texts *records,
                     const struct walk *walk, struct findings *findings)
{
    const char *domain = sender->domain;
    if (walk->has_all && walk->all == SPF_PASS)
        finding_add(findings, FINDING_WARNING, topic,
                    "the SPF record of %s ends in +all: everybody may send in its name", domain);
    else
        finding_add(findings, FINDING_HINT, topic,
                    "the SPF record of %s says nothing about others, for it does not end in ~all "
                    "or -all",
                    domain);
    remedy(sender, records, findings);
}

/* The providers that the record names, or those that it does not. */
static void join_wanted(const struct walk *walk, bool named, struct buffer *text)
{
    for (size_t i = 0; i < walk->sender->wanted_count; i++)
        if (walk->has_wanted[i] == named)
            buffer_format(text, "%s%s", text->length ? " and " : "",
                          walk->sender->wanted[i].provider);
}

/* What is worst of a record that by itself is in order. */
static void tell_record(const struct dns_sender *sender, const struct texts *records,
                        const struct walk *walk, struct findings *findings)
{
    const char *domain = sender->domain;
    struct buffer named = {0}, missing = {0};
    join_wanted(walk, true, &named);
    join_wanted(walk, false, &missing);
    if (walk->fault.length) {
        finding_add(findings, FINDING_WARNING, topic, "the SPF record of %s is good for nobody: %s",
                    domain, buffer_text(&walk->fault));
        finding_remedy(findings, "take that out of it: %.*s", MOST_SHOWN, records->items[0]);
    } else if (walk->lookups > MOST_LOOKUPS) {
        finding_add(findings, FINDING_WARNING, topic,
                    "the SPF record of %s needs %s%u lookups, and receivers give up at %d", domain,
                    walk->lookups > MOST_FOLLOWED ? "more than " : "",
                    walk->lookups > MOST_FOLLOWED ? (unsigned)MOST_FOLLOWED : walk->lookups,
                    MOST_LOOKUPS);
        finding_remedy(findings, "take out who does not send for it any more: %.*s", MOST_SHOWN,
                       records->items[0]);
    } else if (walk->unknown.length && (missing.length || !walk->has_all)) {
        finding_add(findings, FINDING_HINT, topic,
                    "whether the SPF record of %s %s%s is not known: no answer about %s", domain,
                    missing.length ? "names " : "is in order", buffer_text(&missing),
                    buffer_text(&walk->unknown));
    } else if (missing.length) {
        finding_add(findings, FINDING_WARNING, topic, "the SPF record of %s does not name %s: %.*s",
                    domain, buffer_text(&missing), MOST_SHOWN, records->items[0]);
        remedy(sender, records, findings);
    } else if (!walk->has_all || walk->all == SPF_PASS || walk->all == SPF_NEUTRAL) {
        tell_end(sender, records, walk, findings);
    } else {
        finding_add(findings, FINDING_GOOD, topic,
                    "the SPF record of %s %s%s, with %u of %d lookups: %.*s", domain,
                    named.length ? "names " : "is in order", buffer_text(&named), walk->lookups,
                    MOST_LOOKUPS, MOST_SHOWN, records->items[0]);
    }
    buffer_free(&named);
    buffer_free(&missing);
}

static void tell_none(const struct dns_sender *sender, const struct dns_page *page,
                      const struct texts *records, struct findings *findings)
{
    const char *domain = sender->domain;
    if (page->found == NO_ANSWER) {
        finding_add(findings, FINDING_HINT, topic, "the SPF record of %s is not known: %s", domain,
                    page->trouble);
    } else if (page->found == NO_DOMAIN) {
        finding_add(findings, FINDING_WARNING, topic,
                    "mail leaves by %s, a domain that is not in the DNS: many will refuse it",
                    domain);
        finding_remedy(findings, "domain = one that you own, in [mail]; or masquerade");
    } else {
        finding_add(findings, sender->needs_none ? FINDING_HINT : FINDING_WARNING, topic,
                    "%s has no SPF record: mail from there may be taken for spam", domain);
        remedy(sender, records, findings);
    }
}

void dns_spf_look(struct dns_book *book, const struct dns_sender *sender, struct findings *findings)
{
    const struct dns_page *page = dns_book_look(book, sender->domain, ns_t_txt);
    struct texts records = {0};
    struct spf_record record = {0};
    if (!page)
        return;
    find_records(page, &records);
    if (records.count == 0) {
        tell_none(sender, page, &records, findings);
    } else if (records.count > 1) {
        finding_add(findings, FINDING_WARNING, topic,
                    "%s has %zu SPF records, so that none of them counts", sender->domain,
                    records.count);
        remedy(sender, &records, findings);
    } else if (!spf_record_parse(records.items[0], &record)) {
        tell_mistake(sender, &records, findings);
    } else {
        struct walk walk = {.book = book, .sender = sender};
        for (size_t i = 0; i < sender->wanted_count; i++)
            if (!parse_term(sender->wanted[i].spf, &walk.wanted[i]))
                impossible("a provider whose wish is no term of SPF");
        walk_record(&walk, &record, true);
        if (!walk.waiting)
            tell_record(sender, &records, &walk, findings);
        for (size_t i = 0; i < sender->wanted_count; i++)
            spf_record_free(&walk.wanted[i]);
        buffer_free(&walk.fault);
        buffer_free(&walk.unknown);
    }
    spf_record_free(&record);
    texts_free(&records);
}

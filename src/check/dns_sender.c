/* See dns_sender.h. */
#include "check/dns_sender.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "check/dns_spf.h"

enum { MOST_LABELS = 8 };

/* ---- DMARC ---- */

static bool is_dmarc(const char *text)
{
    static const char version[] = "v=DMARC1";
    return strncmp(text, version, strlen(version)) == 0 && strchr("; \t", text[strlen(version)]);
}

/* The value of p=, one of three words, in static words; NULL: there is none. */
static const char *find_policy(const char *text)
{
    static const char *const policies[] = {"none", "quarantine", "reject"};
    const char *found = NULL;
    char *copy = memory_copy(text, strlen(text)), *rest = copy, *tag;
    while ((tag = strsep(&rest, ";"))) {
        char *value = strchr(tag, '=');
        if (!value)
            continue;
        *value++ = '\0';
        for (size_t i = 0; !found && text_equal(text_trim(tag), "p") && i < 3; i++)
            if (text_equal(text_trim(value), policies[i]))
                found = policies[i];
    }
    free(copy);
    return found;
}

static void tell_dmarc(const char *domain, const char *owner, const struct dns_page *page,
                       struct findings *findings)
{
    const char *text = NULL, *policy;
    size_t count = 0;
    for (size_t i = 0; i < page->values.count; i++)
        if (is_dmarc(page->values.items[i]) && ++count == 1)
            text = page->values.items[i];
    policy = text ? find_policy(text) : NULL;
    if (count == 1 && policy) {
        finding_add(findings, FINDING_GOOD, "dmarc", "the DMARC record for %s is _dmarc.%s: p=%s",
                    domain, owner, policy);
        return;
    }
    finding_add(findings, FINDING_WARNING, "dmarc",
                count > 1 ? "_dmarc.%s has several DMARC records, so that none of them counts"
                          : "the DMARC record _dmarc.%s has no p= of none, quarantine or reject",
                owner);
    finding_remedy(findings, "put into the DNS instead: _dmarc.%s. IN TXT \"v=DMARC1; p=%s\"",
                   owner, policy ? policy : "none");
}

static bool has_dmarc(const struct dns_page *page)
{
    for (size_t i = 0; i < page->values.count; i++)
        if (is_dmarc(page->values.items[i]))
            return true;
    return false;
}

/* The nearest record, at the domain or above it. */
static void look_dmarc(struct dns_book *book, const char *domain, struct findings *findings)
{
    const char *owner = domain, *trouble = NULL;
    const struct dns_page *itself = dns_book_look(book, domain, ns_t_txt);
    if (!itself || itself->found == NO_DOMAIN)
        return;
    for (int i = 0; i < MOST_LABELS && owner && strchr(owner, '.'); i++) {
        struct buffer name = {0};
        buffer_format(&name, "_dmarc.%s", owner);
        const struct dns_page *page = dns_book_look(book, buffer_text(&name), ns_t_txt);
        buffer_free(&name);
        if (!page)
            return;
        if (has_dmarc(page)) {
            tell_dmarc(domain, owner, page, findings);
            return;
        }
        trouble = page->found == NO_ANSWER ? page->trouble : trouble;
        owner = strchr(owner, '.') + 1;
    }
    if (trouble) {
        finding_add(findings, FINDING_HINT, "dmarc", "the DMARC record of %s is not known: %s",
                    domain, trouble);
        return;
    }
    finding_add(findings, FINDING_HINT, "dmarc",
                "%s has no DMARC record, which some receivers want to see", domain);
    finding_remedy(findings, "put into the DNS: _dmarc.%s. IN TXT \"v=DMARC1; p=none\"", domain);
}

/* ---- where bounces go ---- */

static void look_back(struct dns_book *book, const char *domain, struct findings *findings)
{
    const struct dns_page *mx = dns_book_look(book, domain, ns_t_mx);
    const struct dns_page *four = dns_book_look(book, domain, ns_t_a);
    const struct dns_page *six = dns_book_look(book, domain, ns_t_aaaa);
    if (!mx || !four || !six || mx->found == NO_DOMAIN)
        return;
    if (mx->values.count && !*mx->values.items[0]) {
        finding_add(findings, FINDING_WARNING, "sender",
                    "%s says that it takes no mail: bounces are lost, and some refuse such senders",
                    domain);
        finding_remedy(findings, "put an MX record into the DNS that names who takes its mail");
    } else if (mx->values.count) {
        finding_add(findings, FINDING_GOOD, "sender", "answers and bounces for %s go to %s", domain,
                    mx->values.items[0]);
    } else if (four->values.count || six->values.count) {
        finding_add(findings, FINDING_GOOD, "sender", "answers and bounces for %s go to %s", domain,
                    four->values.count ? four->values.items[0] : six->values.items[0]);
    } else if (mx->found == NO_ANSWER || four->found == NO_ANSWER || six->found == NO_ANSWER) {
        finding_add(findings, FINDING_HINT, "sender",
                    "where answers and bounces for %s go is not known: no answer from the DNS",
                    domain);
    } else {
        finding_add(findings, FINDING_HINT, "sender",
                    "%s has neither an MX record nor an address: answers and bounces are lost, and "
                    "some refuse such senders",
                    domain);
        finding_remedy(findings, "put into the DNS: %s. IN MX 10 the host that takes its mail",
                       domain);
    }
}

void dns_sender_look(struct dns_book *book, const struct dns_sender *sender,
                     struct findings *findings)
{
    dns_spf_look(book, sender, findings);
    look_dmarc(book, sender->domain, findings);
    look_back(book, sender->domain, findings);
}

void dns_sender_free(struct dns_sender *sender)
{
    free(sender->domain);
    free(sender->usual);
    *sender = (struct dns_sender){0};
}

/* See dns_list.h. The listener finds out the same by itself, and leaves such a list alone. */
#include "check/dns_list.h"

#include "base/buffer.h"

static const struct dns_page *look_up(struct dns_book *book, const char *entry, const char *zone)
{
    struct buffer name = {0};
    buffer_format(&name, "%s.%s", entry, zone);
    const struct dns_page *page = dns_book_look(book, buffer_text(&name), ns_t_a);
    buffer_free(&name);
    return page;
}

/* The first answer that a list could give; NULL: none. */
static const char *find_code(const struct dns_page *page)
{
    for (size_t i = 0; i < page->values.count; i++)
        if (text_starts(page->values.items[i], "127."))
            return page->values.items[i];
    return NULL;
}

void dns_list_look(struct dns_book *book, const char *topic, const char *zone,
                   struct findings *findings)
{
    const struct dns_page *must = look_up(book, "2.0.0.127", zone);
    const struct dns_page *must_not = look_up(book, "1.0.0.127", zone);
    if (!must || !must_not)
        return;
    if (must->found == NO_ANSWER || must_not->found == NO_ANSWER) {
        finding_add(findings, FINDING_WARNING, topic, "the list %s does not answer: %s", zone,
                    must->found == NO_ANSWER ? must->trouble : must_not->trouble);
        finding_remedy(findings, "take it out of %s in [filter] if that lasts", topic);
    } else if (find_code(must_not)) {
        finding_add(findings, FINDING_WARNING, topic,
                    "the list %s lists everybody, or does not want to be asked: it has 127.0.0.1 "
                    "as %s, and is ignored",
                    zone, find_code(must_not));
        finding_remedy(findings,
                       "ask it by a name server of your own, not by a public one, or take it out "
                       "of %s in [filter]",
                       topic);
    } else if (!find_code(must)) {
        finding_add(findings, FINDING_WARNING, topic,
                    "%s is no list: it does not have the test entry 127.0.0.2, and is ignored",
                    zone);
        finding_remedy(findings, "look at the spelling of its name in %s in [filter]", topic);
    } else {
        finding_add(findings, FINDING_GOOD, topic, "the list %s answers", zone);
    }
}

/* See dns_key.h. */
#include "check/dns_key.h"

#include "base/buffer.h"

static const char topic[] = "dkim";

void dns_key_look(struct dns_book *book, const struct dkim_record *record, const char *show,
                  struct findings *findings)
{
    struct buffer name = {0};
    dkim_record_name(record, &name);
    const struct dns_page *page = dns_book_look(book, buffer_text(&name), ns_t_txt);
    const char *fault = page ? dkim_record_fault(record, &page->values) : NULL;
    if (page && page->found == NO_ANSWER) {
        finding_add(findings, FINDING_HINT, topic, "%s is not known: %s", buffer_text(&name),
                    page->trouble);
    } else if (fault) {
        finding_add(findings, fault == dkim_record_testing ? FINDING_HINT : FINDING_WARNING, topic,
                    "%s: %s", buffer_text(&name), fault);
        finding_remedy(findings, "%s prints the record that the DNS has to have", show);
    } else if (page) {
        finding_add(findings, FINDING_GOOD, topic, "%s tells the key that signs (%s)",
                    buffer_text(&name), record->type);
    }
    buffer_free(&name);
}

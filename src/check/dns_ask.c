/* See dns_ask.h. RFC 1035 3.3. */
#include "check/dns_ask.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "net/questions.h"

enum { MOST_VALUES = 64, LONGEST_VALUE = 8192 };

/* ---- values ---- */

static void take_text(const ns_rr *record, struct texts *values)
{
    struct buffer text = {.limit = LONGEST_VALUE};
    const unsigned char *at = ns_rr_rdata(*record), *end = at + ns_rr_rdlen(*record);
    for (; at < end && at + 1 + *at <= end; at += 1 + *at)
        buffer_append(&text, at + 1, *at);
    /* A NUL would hide the rest. */
    for (size_t i = 0; i < text.length; i++)
        if (!text.data[i])
            text.data[i] = '?';
    texts_add(values, buffer_text(&text));
    buffer_free(&text);
}

static void take_address(const ns_rr *record, int family, struct texts *values)
{
    char text[INET6_ADDRSTRLEN];
    if (ns_rr_rdlen(*record) == (family == AF_INET ? 4 : 16) &&
        inet_ntop(family, ns_rr_rdata(*record), text, sizeof text))
        texts_add(values, text);
}

static void take_name(struct answer *answer, const ns_rr *record, unsigned offset,
                      struct texts *values)
{
    char name[NS_MAXDNAME];
    if (ns_rr_rdlen(*record) > offset && answer_name(answer, ns_rr_rdata(*record) + offset, name))
        texts_add(values, name);
}

static void take_record(struct answer *answer, const ns_rr *record, ns_type type,
                        struct texts *values)
{
    switch (type) {
    case ns_t_txt:
        take_text(record, values);
        break;
    case ns_t_a:
        take_address(record, AF_INET, values);
        break;
    case ns_t_aaaa:
        take_address(record, AF_INET6, values);
        break;
    case ns_t_mx:
        take_name(answer, record, 2, values);
        break;
    case ns_t_ptr:
        take_name(answer, record, 0, values);
        break;
    default:
        break;
    }
}

/* The records of the answer that are of this type, by their preference where they have one. */
static size_t sort_records(struct answer *answer, ns_type type, ns_rr *records)
{
    size_t count = 0;
    for (int i = 0; i < answer_count(answer) && count < MOST_VALUES; i++) {
        ns_rr record;
        if (!answer_record(answer, i, type, &record) ||
            (type == ns_t_mx && ns_rr_rdlen(record) < 3))
            continue;
        size_t at = count++;
        for (; at && type == ns_t_mx &&
               ns_get16(ns_rr_rdata(records[at - 1])) > ns_get16(ns_rr_rdata(record));
             at--)
            records[at] = records[at - 1];
        records[at] = record;
    }
    return count;
}

/* ---- asking ---- */

static void take(void *context, size_t place, enum resolved found, struct answer *answer)
{
    struct dns_page **pages = context;
    struct dns_page *page = pages[place];
    page->answered = true;
    page->found = found;
    page->trouble = found == NO_ANSWER ? answer->trouble : NULL;
    if (found != RESOLVED)
        return;
    ns_rr *records = memory_get(MOST_VALUES * sizeof *records);
    size_t count = sort_records(answer, page->type, records);
    for (size_t i = 0; i < count; i++)
        take_record(answer, &records[i], page->type, &page->values);
    free(records);
    if (!page->values.count)
        page->found = NO_RECORDS;
}

bool dns_ask(struct dns_book *book, const struct resolver *resolver, int64_t deadline)
{
    if (book->asked == book->count)
        return false;
    struct answer *answer = memory_get(sizeof *answer);
    struct question *questions = memory_get(QUESTIONS_MOST * sizeof *questions);
    while (book->asked < book->count) {
        struct dns_page **pages = book->pages + book->asked;
        size_t left = book->count - book->asked;
        size_t count = left < QUESTIONS_MOST ? left : QUESTIONS_MOST;
        for (size_t i = 0; i < count; i++)
            questions[i] = (struct question){.name = pages[i]->name, .type = pages[i]->type};
        questions_ask(resolver, questions, count, deadline, answer, take, pages);
        book->asked += count;
    }
    free(questions);
    free(answer);
    return true;
}

const char *dns_ask_trouble(const struct dns_book *book)
{
    const char *trouble = NULL;
    for (size_t i = 0; i < book->asked; i++) {
        if (book->pages[i]->found != NO_ANSWER)
            return NULL;
        trouble = book->pages[i]->trouble;
    }
    return trouble;
}

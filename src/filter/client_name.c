/* See client_name.h. */
#include "filter/client_name.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/network.h"
#include "net/dial.h"
#include "net/questions.h"

enum { NAMES_MOST = 3 /* of those that an address has */ };

struct inquiry {
    struct network client; /* one address */
    const struct resolver *resolver;
    int64_t deadline;
    struct answer *answer;
};

static bool ask(struct inquiry *inquiry, const char *name, ns_type type)
{
    return questions_ask_one(inquiry->resolver, name, type, inquiry->deadline, inquiry->answer) ==
           RESOLVED;
}

static void find_names(struct inquiry *inquiry, struct texts *names)
{
    struct buffer question = {0};
    network_format_reversed(&inquiry->client, &question);
    buffer_append_text(&question,
                       inquiry->client.family == AF_INET ? ".in-addr.arpa" : ".ip6.arpa");
    if (ask(inquiry, buffer_text(&question), ns_t_ptr))
        for (int i = 0; i < answer_count(inquiry->answer) && names->count < NAMES_MOST; i++) {
            ns_rr record;
            char name[NS_MAXDNAME];
            if (answer_record(inquiry->answer, i, ns_t_ptr, &record) &&
                answer_name(inquiry->answer, ns_rr_rdata(record), name) && *name)
                texts_add(names, name);
        }
    buffer_free(&question);
}

static bool has_address(struct inquiry *inquiry, const char *name)
{
    size_t size = inquiry->client.bits / 8;
    ns_type type = inquiry->client.family == AF_INET ? ns_t_a : ns_t_aaaa;
    if (!ask(inquiry, name, type))
        return false;
    for (int i = 0; i < answer_count(inquiry->answer); i++) {
        ns_rr record;
        if (answer_record(inquiry->answer, i, type, &record) && ns_rr_rdlen(record) == size &&
            memcmp(ns_rr_rdata(record), inquiry->client.address, size) == 0)
            return true;
    }
    return false;
}

void client_name_find(const struct sockaddr *address, const struct resolver *resolver,
                      uint64_t limit_ms, struct client_name *name)
{
    static const char here[] = "localhost";
    struct inquiry inquiry = {.resolver = resolver, .deadline = clock_ms() + (int64_t)limit_ms};
    *name = (struct client_name){0};
    if (!address || dial_is_loopback(address)) {
        *name = (struct client_name){memory_copy(here, strlen(here)), true};
        return;
    }
    if (!network_of(address, &inquiry.client))
        return;
    struct texts names = {0};
    inquiry.answer = memory_get(sizeof *inquiry.answer);
    find_names(&inquiry, &names);
    const char *best = names.count ? names.items[0] : NULL;
    for (size_t i = 0; i < names.count && !name->confirmed; i++)
        if (has_address(&inquiry, names.items[i])) {
            name->confirmed = true;
            best = names.items[i];
        }
    name->name = best ? memory_copy(best, strlen(best)) : NULL;
    texts_free(&names);
    free(inquiry.answer);
}

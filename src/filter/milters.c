/* See milters.h. */
#include "filter/milters.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "filter/client_name.h"
#include "filter/milter.h"

struct milters {
    const struct settings *settings;
    struct milter *items;
    size_t count;
    bool has_name;
    struct client_name name;
    const struct milter *refuser; /* who said the last no; NULL: nobody */
    const struct milter *discarder;
};

struct milters *milters_open(const struct settings *settings)
{
    const struct texts *names = &settings->filter.milters;
    if (!names->count)
        return NULL;
    struct milters *milters = memory_get(sizeof *milters);
    *milters = (struct milters){.settings = settings,
                                .items = memory_get(names->count * sizeof *milters->items),
                                .count = names->count};
    for (size_t i = 0; i < milters->count; i++)
        milter_start(&milters->items[i], names->items[i], settings);
    return milters;
}

void milters_close(struct milters *milters)
{
    if (!milters)
        return;
    for (size_t i = 0; i < milters->count; i++)
        milter_end(&milters->items[i]);
    free(milters->items);
    free(milters->name.name);
    free(milters);
}

/* Once a session. */
static void find_name(struct milters *milters, const struct filter_client *client)
{
    const struct resolver resolver = {0};
    if (!milters->has_name)
        client_name_find(client->address, &resolver, milters->settings->filter.dns_timeout * 1000,
                         &milters->name);
    milters->has_name = true;
}

static struct milter_facts make_facts(const struct milters *milters,
                                      const struct filter_client *client,
                                      const struct envelope *envelope)
{
    return (struct milter_facts){.settings = milters->settings,
                                 .client = client,
                                 .name = &milters->name,
                                 .sender = &envelope->sender};
}

typedef struct outcome stage(struct milter *milter, const struct milter_facts *facts);

static struct outcome ask_all(struct milters *milters, stage *stage,
                              const struct milter_facts *facts)
{
    milters->refuser = NULL;
    for (size_t i = 0; i < milters->count && !milters->discarder; i++) {
        struct milter *milter = &milters->items[i];
        struct outcome outcome = stage(milter, facts);
        if (!outcome_good(&outcome)) {
            milters->refuser = milter;
            return outcome;
        }
        if (milter->discards)
            milters->discarder = milter;
    }
    return outcome_done();
}

struct outcome milters_sender(struct milters *milters, const struct filter_client *client,
                              const struct envelope *envelope)
{
    if (!milters)
        return outcome_done();
    find_name(milters, client);
    const struct milter_facts facts = make_facts(milters, client, envelope);
    return ask_all(milters, milter_sender, &facts);
}

struct outcome milters_recipient(struct milters *milters, const struct filter_client *client,
                                 const struct envelope *envelope, const struct address *recipient)
{
    if (!milters)
        return outcome_done();
    struct milter_facts facts = make_facts(milters, client, envelope);
    facts.recipient = recipient;
    return ask_all(milters, milter_recipient, &facts);
}

struct outcome milters_data(struct milters *milters, const struct filter_client *client,
                            const struct envelope *envelope)
{
    if (!milters)
        return outcome_done();
    const struct milter_facts facts = make_facts(milters, client, envelope);
    return ask_all(milters, milter_data, &facts);
}

bool milters_want_message(const struct milters *milters)
{
    bool want = milters && milters->discarder;
    for (size_t i = 0; milters && i < milters->count; i++)
        want = want || milter_wants_message(&milters->items[i]);
    return want;
}

struct outcome milters_message(struct milters *milters, const struct filter_client *client,
                               struct held *held, bool *discard)
{
    struct outcome outcome = outcome_done();
    *discard = false;
    if (!milters)
        return outcome;
    milters->refuser = NULL;
    for (size_t i = 0; i < milters->count && outcome_good(&outcome) && !milters->discarder; i++) {
        struct milter *milter = &milters->items[i];
        struct milter_facts facts = make_facts(milters, client, held->envelope);
        facts.header = held->header;
        outcome = milter_message(milter, &facts, held);
        if (!outcome_good(&outcome))
            milters->refuser = milter;
        if (milter->discards || held->envelope->count == 0)
            milters->discarder = milter;
    }
    *discard = outcome_good(&outcome) && milters->discarder;
    if (*discard)
        log_event(held->id, "filtered", "milter", milters->discarder->link.name, "discard",
                  milters->discarder->discards ? "yes" : "no recipient is left", NULL);
    return outcome;
}

void milters_reset(struct milters *milters)
{
    if (!milters)
        return;
    for (size_t i = 0; i < milters->count; i++)
        milter_reset(&milters->items[i]);
    milters->discarder = NULL;
}

const struct reply *milters_reply(const struct milters *milters)
{
    const struct milter *refuser = milters ? milters->refuser : NULL;
    return refuser && refuser->reply.count ? &refuser->reply : NULL;
}

/*
 * The order in which things are asked (see filter.h): the cheap ones first, strangers only, and
 * never of mail to whom the refused may write to. Milters are asked about everybody, for some are
 * there to sign what our own people send.
 */
#include "filter/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/filtering.h"
#include "filter/dnsbl.h"
#include "filter/greylist.h"
#include "filter/marks.h"
#include "filter/milters.h"
#include "filter/spf_identities.h"

struct filter {
    const struct settings *settings;
    const struct lists *lists;
    const struct queue *queue;
    struct address contact;
    char *contact_text;
    struct milters *milters; /* NULL: none */
    struct held_room room;   /* with milters */
    const struct reply *reply;

    /* Of the client. */
    bool has_asked_dns; /* the lists in the DNS */
    enum listed by_dns;
    struct outcome dns_judgement;
    /* Of the transaction. */
    bool is_judged; /* what does not depend on the recipient has been asked */
    struct outcome judgement;
    unsigned judgement_code; /* as below */
    bool is_allowed;         /* an allowing list has the client or the sender */
    struct spf_identities spf;
    unsigned code; /* see filter_code */
};

static void find_contact(struct filter *filter)
{
    const char *why, *contact = filter->settings->filter.contact;
    if (!contact || !*contact || !address_parse(contact, &filter->contact, &why))
        filter->contact.local = memory_copy("postmaster", strlen("postmaster"));
    address_qualify(&filter->contact, filter->settings->hostname);
    filter->contact_text = address_text(&filter->contact);
}

struct filter *filter_open(const struct settings *settings, const struct lists *lists,
                           const struct queue *queue)
{
    if (filtering_is_empty(&settings->filter))
        return NULL;
    struct filter *filter = memory_get(sizeof *filter);
    *filter = (struct filter){
        .settings = settings, .lists = lists, .queue = queue, .dns_judgement = outcome_done()};
    find_contact(filter);
    filter->milters = milters_open(settings);
    if (filter->milters)
        held_room_open(&filter->room, queue);
    return filter;
}

void filter_close(struct filter *filter)
{
    if (!filter)
        return;
    filter_reset(filter);
    spf_identities_free(&filter->spf);
    if (filter->milters)
        held_room_close(&filter->room);
    milters_close(filter->milters);
    address_free(&filter->contact);
    free(filter->contact_text);
    free(filter);
}

/* ---- lists ---- */

/* DONE with is_allowed set when an allowing list has it. */
static struct outcome ask_lists(struct filter *filter, const struct filter_client *client,
                                const char *sender)
{
    const char *by_sender, *by_helo, *contact = filter->contact_text;
    enum listed here = lists_client(filter->lists, client->address);
    enum listed sent = lists_sender(filter->lists, sender, &by_sender);
    enum listed named = lists_helo(filter->lists, client->helo, &by_helo);
    filter->is_allowed = here == LIST_ALLOWS || sent == LIST_ALLOWS || named == LIST_ALLOWS;
    if (filter->is_allowed)
        return outcome_done();
    if (here == LIST_BLOCKS)
        return outcome_never("5.7.1",
                             "mail from your host %s is not wanted here (block_clients); write to "
                             "%s if this is wrong",
                             client->literal, contact);
    if (sent == LIST_BLOCKS)
        return outcome_never("5.7.1",
                             "mail from this sender is not wanted here (block_senders has %.200s); "
                             "write to %s if this is wrong",
                             by_sender, contact);
    if (named == LIST_BLOCKS)
        return outcome_never("5.7.1",
                             "mail from a host of that name is not wanted here (block_helo has "
                             "%.200s); write to %s if this is wrong",
                             by_helo, contact);
    return outcome_done();
}

/* ---- the DNS ---- */

/* Once for a client, which stays the same. */
static struct outcome ask_dns(struct filter *filter, const struct filter_client *client)
{
    const struct filtering *filtering = &filter->settings->filter;
    const struct resolver resolver = {0};
    if (filter->has_asked_dns || (!filtering->dnsbl.count && !filtering->dnswl.count))
        return filter->dns_judgement;
    struct buffer folder = {0}, names = {0}, reason = {0};
    queue_filter_folder(filter->queue->directory, &folder);
    const struct dnsbl_question question = {.client = client->address,
                                            .block = &filtering->dnsbl,
                                            .allow = &filtering->dnswl,
                                            .threshold = filtering->dnsbl_threshold,
                                            .folder = buffer_text(&folder),
                                            .resolver = &resolver,
                                            .limit_ms = (int64_t)filtering->dns_timeout * 1000,
                                            .now = clock_now()};
    filter->by_dns = dnsbl_check(&question, &names, &reason);
    filter->has_asked_dns = true;
    if (filter->by_dns == LIST_BLOCKS)
        filter->dns_judgement = outcome_never(
            "5.7.1",
            "mail from your host %s is not wanted here (listed by %s); write to %s if "
            "this is wrong%s%s",
            client->literal, buffer_text(&names), filter->contact_text, reason.length ? ": " : "",
            buffer_text(&reason));
    buffer_free(&folder);
    buffer_free(&names);
    buffer_free(&reason);
    return filter->dns_judgement;
}

/* Whom a list allows is not refused for it, but the marks are for all. */
static struct outcome ask_spf(struct filter *filter, const struct filter_client *client,
                              const struct address *sender)
{
    const struct filtering *filtering = &filter->settings->filter;
    const struct spf_question question = {.client = client->address,
                                          .helo = client->helo,
                                          .sender = sender,
                                          .receiver = filter->settings->hostname,
                                          .limit_ms = (int64_t)filtering->dns_timeout * 1000};
    spf_identities_ask(&question, &filter->spf);
    if (filtering->spf != SPF_REJECT || filter->is_allowed)
        return outcome_done();
    return spf_identities_judge(&filter->spf, client->literal, filter->contact_text);
}

/* ---- stages ---- */

/* What milters say goes to the client as they want it. */
static struct outcome pass_on(struct filter *filter, struct outcome outcome)
{
    filter->reply = outcome_good(&outcome) ? NULL : milters_reply(filter->milters);
    return outcome;
}

struct outcome filter_sender(struct filter *filter, const struct filter_client *client,
                             const struct envelope *envelope)
{
    if (!filter)
        return outcome_done();
    filter_reset(filter);
    return pass_on(filter, milters_sender(filter->milters, client, envelope));
}

/* What is the same for all recipients. */
static struct outcome judge(struct filter *filter, const struct filter_client *client,
                            const struct envelope *envelope)
{
    char *sender = address_text(&envelope->sender);
    struct outcome outcome = ask_lists(filter, client, sender);
    free(sender);
    if (outcome_good(&outcome) && !filter->is_allowed) {
        outcome = ask_dns(filter, client);
        filter->is_allowed = filter->by_dns == LIST_ALLOWS;
        filter->judgement_code = outcome_good(&outcome) ? 0 : 554;
    }
    if (outcome_good(&outcome) && filter->settings->filter.spf != SPF_OFF)
        outcome = ask_spf(filter, client, &envelope->sender);
    return outcome;
}

/* Those who are refused can write to somebody (RFC 5321 4.5.1). */
static bool is_contact(const struct filter *filter, const struct address *recipient)
{
    return text_equal(recipient->local, "postmaster") ||
           (text_equal(recipient->local, filter->contact.local) && recipient->domain &&
            text_equal(recipient->domain, filter->contact.domain));
}

static struct outcome ask_greylist(const struct filter *filter, const struct filter_client *client,
                                   const struct envelope *envelope, const struct address *recipient)
{
    const struct filtering *filtering = &filter->settings->filter;
    const struct greylist_rules rules = {.delay = filtering->greylist_delay,
                                         .window = filtering->greylist_window,
                                         .lifetime = filtering->greylist_lifetime};
    struct buffer folder = {0};
    char *from = address_text(&envelope->sender), *to = address_text(recipient);
    const struct greylist_question question = {
        .client = client->address, .sender = from, .recipient = to, .now = clock_now()};
    queue_filter_folder(filter->queue->directory, &folder);
    struct outcome outcome = greylist_check(buffer_text(&folder), &rules, &question);
    buffer_free(&folder);
    free(from);
    free(to);
    return outcome;
}

static struct outcome ask_of_stranger(struct filter *filter, const struct filter_client *client,
                                      const struct envelope *envelope,
                                      const struct address *recipient)
{
    if (!filter->is_judged) {
        filter->judgement = judge(filter, client, envelope);
        filter->is_judged = true;
    }
    if (is_contact(filter, recipient))
        return outcome_done();
    filter->code = filter->judgement_code;
    if (!outcome_good(&filter->judgement) || filter->is_allowed ||
        !filter->settings->filter.greylist)
        return filter->judgement;
    return ask_greylist(filter, client, envelope, recipient);
}

struct outcome filter_recipient(struct filter *filter, const struct filter_client *client,
                                const struct envelope *envelope, const struct address *recipient)
{
    struct outcome outcome = outcome_done();
    if (!filter)
        return outcome;
    filter->reply = NULL;
    filter->code = 0;
    if (!client->trusted)
        outcome = ask_of_stranger(filter, client, envelope, recipient);
    if (!outcome_good(&outcome))
        return outcome;
    return pass_on(filter, milters_recipient(filter->milters, client, envelope, recipient));
}

struct outcome filter_data(struct filter *filter, const struct filter_client *client,
                           const struct envelope *envelope)
{
    if (!filter)
        return outcome_done();
    return pass_on(filter, milters_data(filter->milters, client, envelope));
}

void filter_reset(struct filter *filter)
{
    if (!filter)
        return;
    filter->is_judged = filter->is_allowed = false;
    filter->code = filter->judgement_code = 0;
    spf_identities_reset(&filter->spf);
    milters_reset(filter->milters);
}

unsigned filter_code(const struct filter *filter)
{
    return filter ? filter->code : 0;
}

const struct reply *filter_reply(const struct filter *filter)
{
    return filter ? filter->reply : NULL;
}

/* ---- what is written down ---- */

void filter_mark(struct filter *filter, const struct filter_client *client, struct header *header)
{
    if (!filter || client->trusted)
        return;
    marks_remove_claims(header, filter->settings->hostname);
    marks_put(header, filter->settings->hostname, client->address, client->helo, &filter->spf);
}

size_t filter_place_received(const struct filter *filter, const struct header *header)
{
    return filter ? marks_end(header, &filter->spf) : 0;
}

bool filter_wants_message(const struct filter *filter)
{
    return filter && milters_want_message(filter->milters);
}

struct held_room *filter_room(struct filter *filter)
{
    return &filter->room;
}

struct outcome filter_message(struct filter *filter, const struct filter_client *client,
                              struct held *held, bool *discard)
{
    return pass_on(filter, milters_message(filter->milters, client, held, discard));
}

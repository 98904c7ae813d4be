/*
 * The order in which things are asked (see filter.h): the cheap ones first, strangers only, and
 * never of mail to whom the refused may write to.
 */
#include "filter/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/filtering.h"
#include "filter/greylist.h"
#include "filter/spf.h"

struct filter {
    const struct settings *settings;
    const struct lists *lists;
    const struct queue *queue;
    struct address contact;
    char *contact_text;

    /* Of the transaction. */
    bool is_judged; /* what does not depend on the recipient has been asked */
    struct outcome judgement;
    bool is_allowed; /* an allowing list has the client or the sender */
    enum spf_result spf;
    bool has_spf;
    char *spf_domain; /* whose record it was */
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
    *filter = (struct filter){.settings = settings, .lists = lists, .queue = queue};
    find_contact(filter);
    return filter;
}

void filter_close(struct filter *filter)
{
    if (!filter)
        return;
    filter_reset(filter);
    address_free(&filter->contact);
    free(filter->contact_text);
    free(filter);
}

/* ---- lists ---- */

static struct outcome refuse(const struct filter *filter, const char *what, const char *item)
{
    return outcome_never("5.7.1", "%s (%s is on our list); write to %s if this is wrong", what,
                         item, filter->contact_text);
}

/* DONE with is_allowed set when an allowing list has it. */
static struct outcome ask_lists(struct filter *filter, const struct filter_client *client,
                                const char *sender)
{
    const char *item, *by_sender;
    enum listed sent = lists_sender(filter->lists, sender, &by_sender);
    enum listed here = lists_client(filter->lists, client->address, &item);
    if (here == LIST_ALLOWS || sent == LIST_ALLOWS) {
        filter->is_allowed = true;
        return outcome_done();
    }
    if (here == LIST_BLOCKS)
        return refuse(filter, "mail from your host is not wanted here", client->literal);
    if (sent == LIST_BLOCKS)
        return refuse(filter, "mail from this sender is not wanted here", by_sender);
    here = lists_helo(filter->lists, client->helo, &item);
    filter->is_allowed = here == LIST_ALLOWS;
    if (here == LIST_BLOCKS)
        return refuse(filter, "mail from a host of that name is not wanted here", item);
    return outcome_done();
}

/* ---- SPF ---- */

static struct outcome ask_spf(struct filter *filter, const struct filter_client *client,
                              const struct address *sender)
{
    const struct filtering *filtering = &filter->settings->filter;
    const struct resolver resolver = {.limit_ms = (unsigned)filtering->dns_timeout * 1000 / 2};
    bool null = address_is_null(sender);
    const char *domain = null ? client->helo : sender->domain;
    const struct spf_query query = {
        .client = client->address,
        .helo = client->helo,
        .local = null ? "postmaster" : sender->local,
        .domain = domain,
        .receiver = filter->settings->hostname,
        .resolver = &resolver,
        .deadline = clock_ms() + (int64_t)filtering->dns_timeout * 1000,
    };
    struct buffer explanation = {0};
    filter->spf = spf_check(&query, &explanation);
    filter->has_spf = true;
    filter->spf_domain = memory_copy(domain, strlen(domain));
    struct outcome outcome = outcome_done();
    /* RFC 7372 3.1. */
    if (filter->spf == SPF_FAIL && filtering->spf == SPF_REJECT)
        outcome = outcome_never("5.7.23",
                                "%s does not let %s send in its name (SPF)%s%s; write to %s if "
                                "this is wrong",
                                domain, client->literal, explanation.length ? ": " : "",
                                buffer_text(&explanation), filter->contact_text);
    buffer_free(&explanation);
    return outcome;
}

/* ---- stages ---- */

struct outcome filter_sender(struct filter *filter, const struct filter_client *client,
                             const struct envelope *envelope)
{
    (void)client;
    (void)envelope;
    if (filter)
        filter_reset(filter);
    return outcome_done();
}

/* What is the same for all recipients. */
static struct outcome judge(struct filter *filter, const struct filter_client *client,
                            const struct envelope *envelope)
{
    char *sender = address_text(&envelope->sender);
    struct outcome outcome = ask_lists(filter, client, sender);
    if (outcome_good(&outcome) && !filter->is_allowed && filter->settings->filter.spf != SPF_OFF)
        outcome = ask_spf(filter, client, &envelope->sender);
    free(sender);
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
    buffer_format(&folder, "%s/filter", filter->queue->directory);
    struct outcome outcome = greylist_check(buffer_text(&folder), &rules, &question);
    buffer_free(&folder);
    free(from);
    free(to);
    return outcome;
}

struct outcome filter_recipient(struct filter *filter, const struct filter_client *client,
                                const struct envelope *envelope, const struct address *recipient)
{
    if (!filter || client->trusted)
        return outcome_done();
    if (!filter->is_judged) {
        filter->judgement = judge(filter, client, envelope);
        filter->is_judged = true;
    }
    if (is_contact(filter, recipient))
        return outcome_done();
    if (!outcome_good(&filter->judgement) || filter->is_allowed ||
        !filter->settings->filter.greylist)
        return filter->judgement;
    return ask_greylist(filter, client, envelope, recipient);
}

void filter_reset(struct filter *filter)
{
    if (!filter)
        return;
    filter->is_judged = filter->is_allowed = filter->has_spf = false;
    free(filter->spf_domain);
    filter->spf_domain = NULL;
}

unsigned filter_code(const struct filter *filter)
{
    (void)filter;
    return 0;
}

/* ---- what is written down ---- */

/* Whether an Authentication-Results field says that it is of ours: its first word is our name. */
static bool is_ours(const struct filter *filter, const struct field *field)
{
    const char *hostname = filter->settings->hostname;
    const char *body = field_body(field) + strspn(field_body(field), " \t\r\n");
    size_t length = strlen(hostname);
    return strlen(body) >= length && text_starts(body, hostname) &&
           (!body[length] || strchr(" \t\r\n;(", body[length]));
}

static void remove_forged(const struct filter *filter, struct header *header)
{
    static const char name[] = "Authentication-Results";
    for (size_t at = header_find(header, name, 0); at < header->count;)
        if (is_ours(filter, &header->fields[at])) {
            header_remove(header, at);
            at = header_find(header, name, at);
        } else {
            at = header_find(header, name, at + 1);
        }
}

void filter_mark(struct filter *filter, const struct filter_client *client, struct header *header)
{
    if (!filter || client->trusted)
        return;
    remove_forged(filter, header);
    if (!filter->has_spf)
        return;
    struct buffer body = {0};
    buffer_format(&body, "%s;\n\tspf=%s smtp.%s=%s", filter->settings->hostname,
                  spf_result_name(filter->spf), "mailfrom", filter->spf_domain);
    header_insert(header, 0, "Authentication-Results", buffer_text(&body));
    buffer_free(&body);
}

bool filter_wants_message(const struct filter *filter)
{
    (void)filter;
    return false;
}

struct outcome filter_message(struct filter *filter, const struct filter_client *client,
                              struct held *held, bool *discard)
{
    (void)filter;
    (void)client;
    (void)held;
    *discard = false;
    return outcome_done();
}

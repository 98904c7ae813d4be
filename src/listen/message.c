/*
 * See message.h. A header over its limit, or a message that has passed too many hosts, is refused
 * here, where its sender hears of it at once.
 */
#include "listen/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "filter/held.h"
#include "mail/header.h"
#include "queue/draft.h"

enum { HEADER_MOST = 1024 * 1024 };

struct message {
    const struct arrival *arrival;
    struct draft *draft; /* NULL until the end when the message is held */
    bool is_held;
    struct held held;
    struct header header;
    struct buffer line; /* of the header, as far as it has come */
    size_t header_size;
    bool in_header;
    bool is_stuck; /* the draft takes no more; its commit says why */
    struct outcome outcome;
};

static struct draft *open_draft(const struct message *message)
{
    const struct arrival *arrival = message->arrival;
    return draft_open(arrival->queue, arrival->envelope, arrival->id,
                      arrival->settings->max_message_size);
}

struct message *message_open(const struct arrival *arrival)
{
    struct message *message = memory_get(sizeof *message);
    *message = (struct message){.arrival = arrival, .in_header = true, .outcome = outcome_done()};
    message->held = (struct held){.id = arrival->id,
                                  .envelope = arrival->envelope,
                                  .header = &message->header,
                                  .body.fd = -1};
    message->line.limit = HEADER_MOST;
    message->is_held = filter_wants_message(arrival->filter);
    if (message->is_held) {
        message->held.room = filter_room(arrival->filter);
        held_open(&message->held);
    } else {
        message->draft = open_draft(message);
    }
    return message;
}

static void poison(struct message *message, struct outcome outcome)
{
    if (outcome_good(&message->outcome))
        message->outcome = outcome;
}

static size_t count_hosts(const struct header *header)
{
    size_t count = 0;
    for (size_t at = header_find(header, "Received", 0); at < header->count;
         at = header_find(header, "Received", at + 1))
        count++;
    return count;
}

static void put_body(struct message *message, const char *data, size_t length)
{
    if (!message->is_held) {
        message->is_stuck = !draft_put(message->draft, data, length);
        return;
    }
    output_put(&message->held.body, data, length);
    message->is_stuck = message->held.body.error != 0;
    /* Near enough: the draft counts in the end. */
    if (message->held.body.total > message->arrival->settings->max_message_size)
        poison(message, outcome_never("5.3.4", "the message is larger than max_message_size"));
}

static struct completion make_completion(const struct message *message, const char *only)
{
    const struct arrival *arrival = message->arrival;
    const struct settings *settings = arrival->settings;
    return (struct completion){
        .hostname = settings->hostname,
        .sender_domain = settings->domain,
        .recipient_domain = settings->hostname,
        .from = &arrival->envelope->sender,
        .received_from = arrival->from,
        .received_tls = arrival->tls,
        .received_for = only,
        .protocol = arrival->protocol,
        .id = arrival->id,
        .masquerade = arrival->masquerade,
        .now = clock_now(),
    };
}

/* The header as it goes into the queue, with our Received field on top. */
static void put_header(struct message *message)
{
    const struct envelope *envelope = message->arrival->envelope;
    char *only = envelope->count == 1 ? address_text(&envelope->recipients[0].address) : NULL;
    const struct completion completion = make_completion(message, only);
    struct buffer text = {0};
    complete_received(&message->header,
                      filter_place_received(message->arrival->filter, &message->header),
                      &completion);
    header_format(&message->header, &text);
    buffer_append_byte(&text, '\n');
    draft_put(message->draft, text.data, text.length);
    buffer_free(&text);
    free(only);
}

/* The header is whole: it gets what it needs, and unless the message is held goes into the queue.
 */
static void end_header(struct message *message)
{
    const struct arrival *arrival = message->arrival;
    message->in_header = false;
    size_t hosts = count_hosts(&message->header);
    if (hosts > arrival->settings->max_hops)
        poison(message, outcome_never("5.4.6",
                                      "the message has passed %zu hosts, more than the %u of "
                                      "max_hops: it runs in a mail loop",
                                      hosts, arrival->settings->max_hops));
    const struct completion completion = make_completion(message, NULL);
    if (arrival->submitted)
        complete_header(&message->header, &completion);
    filter_mark(arrival->filter, arrival->client, &message->header);
    if (!message->is_held)
        put_header(message);
}

/* The line is whole, with its LF; or it is the last of the message, without. */
static void end_line(struct message *message)
{
    struct buffer *line = &message->line;
    message->header_size += line->length;
    if (line->failed || message->header_size > HEADER_MOST) {
        poison(message, outcome_never("5.3.4", "the header is larger than %d bytes", HEADER_MOST));
    } else if (!header_take_line(&message->header, line->data, line->length)) {
        end_header(message);
        if (line->data[0] != '\n')
            put_body(message, line->data, line->length);
    }
    if (message->in_header)
        buffer_clear(line);
    else
        buffer_free(line);
}

bool message_is_poisoned(const struct message *message)
{
    return message->is_stuck || !outcome_good(&message->outcome);
}

void message_put(void *context, const char *data, size_t length)
{
    struct message *message = context;
    while (length && message->in_header && outcome_good(&message->outcome)) {
        const char *end = memchr(data, '\n', length);
        size_t count = end ? (size_t)(end - data) + 1 : length;
        buffer_append(&message->line, data, count);
        data += count;
        length -= count;
        if (end || message->line.failed)
            end_line(message);
    }
    if (length && !message_is_poisoned(message))
        put_body(message, data, length);
}

/* What was held goes into a draft, after a filter has had its way with it. */
static struct outcome release(struct message *message, bool *discard)
{
    const struct arrival *arrival = message->arrival;
    struct held *held = &message->held;
    struct outcome outcome = held_flush(held);
    if (outcome_good(&outcome))
        outcome = filter_message(arrival->filter, arrival->client, held, discard);
    if (!outcome_good(&outcome) || *discard)
        return outcome;
    message->draft = open_draft(message);
    put_header(message);
    char *block = memory_block(FILE_BLOCK);
    off_t at = 0;
    ssize_t count;
    while ((count = file_read_at(held->body.fd, block, FILE_BLOCK, at)) > 0 &&
           draft_put(message->draft, block, (size_t)count))
        at += count;
    free(block);
    return count < 0 ? outcome_errno(errno, "cannot read what was held") : outcome_done();
}

struct outcome message_commit(struct message *message, struct taken *taken)
{
    *taken = (struct taken){0};
    if (message->in_header && message->line.length && outcome_good(&message->outcome))
        end_line(message);
    if (message->in_header && outcome_good(&message->outcome))
        end_header(message);
    if (message->is_held && outcome_good(&message->outcome))
        message->outcome = release(message, &taken->discarded);
    struct outcome outcome = message->outcome;
    if (outcome_good(&outcome)) {
        taken->id = message->arrival->id;
        taken->message_id = header_words(&message->header, "Message-ID");
    }
    if (outcome_good(&outcome) && !taken->discarded) {
        taken->size = draft_size(message->draft);
        outcome = draft_commit(message->draft, NULL);
        message->draft = NULL;
    }
    message_drop(message);
    return outcome;
}

void message_drop(struct message *message)
{
    if (!message)
        return;
    draft_drop(message->draft);
    if (message->is_held)
        held_close(&message->held);
    header_free(&message->header);
    buffer_free(&message->line);
    free(message);
}

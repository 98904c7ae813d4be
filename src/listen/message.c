/*
 * See message.h. A header over its limit, or a message that has passed too many hosts, is refused
 * here, where its sender hears of it at once.
 */
#include "listen/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "mail/header.h"
#include "queue/draft.h"

enum { HEADER_MOST = 1024 * 1024 };

struct message {
    const struct arrival *arrival;
    struct draft *draft;
    struct header header;
    struct buffer line; /* of the header, as far as it has come */
    size_t header_size;
    char *message_id;
    bool in_header;
    bool is_stuck; /* the draft takes no more; its commit says why */
    struct outcome outcome;
};

struct message *message_open(const struct arrival *arrival)
{
    struct message *message = memory_get(sizeof *message);
    *message = (struct message){.arrival = arrival, .in_header = true, .outcome = outcome_done()};
    message->draft =
        draft_open(arrival->queue, arrival->envelope, NULL, arrival->settings->max_message_size);
    message->line.limit = HEADER_MOST;
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

/* The header is whole: it gets what it needs, and goes into the queue. */
static void end_header(struct message *message)
{
    const struct arrival *arrival = message->arrival;
    const struct settings *settings = arrival->settings;
    const struct envelope *envelope = arrival->envelope;
    message->in_header = false;
    size_t hosts = count_hosts(&message->header);
    if (hosts > settings->max_hops)
        poison(message, outcome_never("5.4.6",
                                      "the message has passed %zu hosts, and max_hops "
                                      "here is %u: it goes in a circle",
                                      hosts, settings->max_hops));
    char *only = envelope->count == 1 ? address_text(&envelope->recipients[0].address) : NULL;
    const struct completion completion = {
        .hostname = settings->hostname,
        .sender_domain = settings->domain,
        .recipient_domain = settings->hostname,
        .from = &envelope->sender,
        .received_from = arrival->from,
        .received_tls = arrival->tls,
        .received_for = only,
        .protocol = arrival->protocol,
        .id = draft_id(message->draft),
        .masquerade = arrival->masquerade,
        .now = clock_now(),
    };
    if (arrival->submitted)
        complete_header(&message->header, &completion);
    else
        complete_received(&message->header, &completion);
    message->message_id = header_words(&message->header, "Message-ID");
    struct buffer text = {0};
    header_format(&message->header, &text);
    buffer_append_byte(&text, '\n');
    draft_put(message->draft, text.data, text.length);
    buffer_free(&text);
    header_free(&message->header);
    free(only);
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
            draft_put(message->draft, line->data, line->length);
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
        message->is_stuck = !draft_put(message->draft, data, length);
}

struct outcome message_commit(struct message *message, char id[QUEUE_ID_SIZE], uint64_t *size,
                              char **words)
{
    if (message->in_header && message->line.length && outcome_good(&message->outcome))
        end_line(message);
    if (message->in_header && outcome_good(&message->outcome))
        end_header(message);
    struct outcome outcome = message->outcome;
    if (outcome_good(&outcome)) {
        snprintf(id, QUEUE_ID_SIZE, "%s", draft_id(message->draft));
        *size = draft_size(message->draft);
        *words = message->message_id;
        message->message_id = NULL;
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
    header_free(&message->header);
    buffer_free(&message->line);
    free(message->message_id);
    free(message);
}

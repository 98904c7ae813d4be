/*
 * A whole message from the wire into the queue, in a queue of its own: refused, or read
 * back with its checksum, our Received line on top and not a byte of the body changed.
 */
#include <unistd.h>

#include "fuzz.h"
#include "listen/message.h"
#include "listen/wire.h"
#include "queue/letter.h"
#include "spool.h"

static const struct settings settings = {
    .hostname = (char *)"here.example",
    .domain = (char *)"here.example",
    .max_message_size = 4000,
    .max_hops = 5,
};

static void collect(void *context, const char *data, size_t length)
{
    buffer_append(context, data, length);
}

/* Where the body begins: behind the first empty line, or where no header can go on. */
static size_t find_body(const struct buffer *text)
{
    struct header header = {0};
    size_t at = 0;
    while (at < text->length) {
        const char *begin = text->data + at, *end = memchr(begin, '\n', text->length - at);
        size_t length = end ? (size_t)(end - begin) + 1 : text->length - at;
        if (!header_take_line(&header, begin, length)) {
            at += *begin == '\n';
            break;
        }
        at += length;
    }
    header_free(&header);
    return at;
}

static void must_be_stored(const char *id, uint64_t size, const struct buffer *sent)
{
    struct letter letter;
    struct outcome problem;
    must(letter_open(spool_queue(), id, LETTER_WORK, true, &letter, &problem) == LETTER_OPENED);
    /* The draft ends the last line. */
    must(letter.count == 1 && (letter.size == size || letter.size == size + 1));
    size = letter.size;
    struct buffer stored = {0};
    char *space = memory_get(size + 1);
    must(file_read_at(letter.fd, space, size + 1, letter.start) == (ssize_t)size);
    buffer_append(&stored, space, size);
    free(space);
    must(text_starts(buffer_text(&stored), "Received: from client.example ([192.0.2.1])\n"));
    size_t body = find_body(sent), length = sent->length - body;
    bool ended = length == 0 || sent->data[sent->length - 1] == '\n';
    must(stored.length >= length + !ended);
    const char *tail = stored.data + stored.length - length - !ended;
    must(length == 0 || memcmp(tail, sent->data + body, length) == 0);
    must(ended || stored.data[stored.length - 1] == '\n');
    must(tail[-1] == '\n');
    buffer_free(&stored);
    struct outcome outcome = letter_remove(&letter);
    must(outcome_good(&outcome));
    letter_close(&letter);
}

/* The first byte: by whom it is sent, and how; the second: how large the pieces are. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 0;
    const char *data = (const char *)bytes + 2;
    size_t piece = 1 + bytes[1], at = 0;
    struct envelope envelope = {.arrived = 1795000000};
    struct address user = {memory_copy("user", 4), memory_copy("here.example", 12)};
    envelope_add(&envelope, user, 0, NULL);
    const struct masquerade masquerade = {0};
    char id[QUEUE_ID_SIZE];
    queue_new_id(id);
    const struct arrival arrival = {
        .id = id,
        .settings = &settings,
        .queue = spool_queue(),
        .envelope = &envelope,
        .from = "client.example ([192.0.2.1])",
        .protocol = "ESMTP",
        .submitted = bytes[0] & 1,
        .masquerade = &masquerade,
    };
    struct message *message = message_open(&arrival);
    struct wire wire = {.chunked = bytes[0] & 2}, other = wire;
    struct buffer sent = {0};
    for (size -= 2; at < size && !wire.ended;) {
        size_t offered = size - at < piece ? size - at : piece;
        (void)wire_take(&other, data + at, offered, collect, &sent);
        at += wire_take(&wire, data + at, offered, message_put, message);
    }
    struct taken stored = {0};
    if (wire.bare || (wire.chunked && wire.place == WIRE_CR)) {
        message_drop(message);
    } else {
        struct outcome outcome = message_commit(message, &stored);
        must(outcome.result != LATER);
        must_be_clean(outcome.reason);
        if (outcome_good(&outcome))
            must_be_stored(stored.id, stored.size, &sent);
        if (stored.message_id)
            must_be_clean(stored.message_id);
    }
    free(stored.message_id);
    buffer_free(&sent);
    envelope_free(&envelope);
    return 0;
}

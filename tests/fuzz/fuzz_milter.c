/* What milters answer: options, replies that go to clients, changes; whatever they say, a message
 * keeps its form. The first byte chooses. */
#include <stdbool.h>
#include <unistd.h>

#include "fuzz.h"
#include "filter/milter_changes.h"
#include "filter/milter_packet.h"

static char mail[] = "here.example";
static const struct settings settings = {
    .hostname = mail, .domain = mail, .max_message_size = 100000};

static void read_options(const char *data, size_t size)
{
    struct milter_options options;
    const char *why = NULL;
    bool good = milter_parse_options(data, size, &options, &why);
    must(good || why);
    for (size_t i = 0; i < STAGES; i++)
        must(options.macros[i].count <= MILTER_MACROS_MOST);
    must(!good || (options.version >= 2 && options.version <= 6));
    milter_free_options(&options);
}

static void read_reply(const char *data, size_t size)
{
    struct reply reply = {0};
    const char *why = NULL, *line;
    size_t length;
    bool good = milter_parse_reply(data, size, &reply, &why);
    must(good || why);
    must(reply.count <= MILTER_REPLY_LINES);
    must(!good || (reply.count && reply.code >= 400 && reply.code <= 599));
    for (size_t i = 0; good && (line = reply_line(&reply, i, &length)); i++) {
        must(length < MILTER_REPLY_LINE_LONGEST);
        char *text = memory_copy(line, length);
        must_be_clean(text);
        free(text);
    }
    reply_free(&reply);
}

/* As it is in the queue: lines that are fields or go on, and no empty one. */
static void must_be_whole(const struct header *header)
{
    struct buffer text = {0};
    struct header again = {0};
    header_format(header, &text);
    size_t at = 0;
    while (at < text.length) {
        const char *end = memchr(text.data + at, '\n', text.length - at);
        must(end != NULL);
        size_t length = (size_t)(end - text.data) + 1 - at;
        must(header_take_line(&again, text.data + at, length));
        at += length;
    }
    must(again.count == header->count);
    header_free(&again);
    buffer_free(&text);
}

static void change(const char *data, size_t size, bool leading_space)
{
    static struct held_room room = {.files = {-1, -1}};
    if (room.files[0] < 0)
        room = (struct held_room){.files = {fuzz_file("", 0), fuzz_file("", 0)}};
    struct envelope envelope = {0};
    struct header header = {0};
    static const char *const fields[] = {"Subject: a\n", "To: b\n", "Subject: c\n"};
    for (size_t i = 0; i < 3; i++)
        must(header_take_line(&header, fields[i], strlen(fields[i])));
    struct address address;
    const char *why;
    must(address_parse("a@here.example", &address, &why));
    envelope_add(&envelope, address, 0, NULL);
    struct held held = {.room = &room, .id = "-", .envelope = &envelope, .header = &header};
    held_open(&held);
    struct milter_changes changes = {.settings = &settings, .leading_space = leading_space};
    struct outcome outcome = outcome_done();
    /* A byte of length before each. */
    while (size > 1 && outcome_good(&outcome)) {
        size_t length = (unsigned char)data[0] < size - 2 ? (unsigned char)data[0] : size - 2;
        outcome = milter_is_change(data[1])
                      ? milter_changes_take(&changes, &held, data[1], data + 2, length)
                      : outcome_done();
        data += 2 + length;
        size -= 2 + length;
    }
    must(outcome.result != NEVER);
    if (outcome_good(&outcome)) {
        outcome = milter_changes_apply(&changes, &held, "unix:/milter");
        must(outcome_good(&outcome));
        must_be_whole(&header);
        for (size_t i = 0; i < envelope.count; i++)
            must_last(&envelope.recipients[i].address);
        if (!address_is_null(&envelope.sender))
            must_last(&envelope.sender);
        if (envelope.hold)
            must_be_clean(envelope.hold);
    }
    milter_changes_free(&changes);
    must(!room.is_taken[0] || !room.is_taken[1]);
    held_close(&held);
    envelope_free(&envelope);
    header_free(&header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* Their own copy, so that every byte read behind its end is found. */
    char *bytes = memory_get(size > 1 ? size - 1 : 1);
    memcpy(bytes, data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        read_options(bytes, size - 1);
        break;
    case 1:
        read_reply(bytes, size - 1);
        break;
    default:
        change(bytes, size - 1, data[0] % 4 == 3);
    }
    free(bytes);
    return 0;
}

/* Replies of servers: bounded, and clean by the time that they are words of ours. */
#include <unistd.h>

#include "fuzz.h"
#include "net/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reply reply = {0};
    const char *text = (const char *)data, *why = NULL;
    bool last = false, good = true;
    size_t at = 0;
    while (good && !last && at < size) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - text) + 1 - at : size - at;
        /* The line's own copy, so that every byte read behind it is found. */
        char *line = memory_get(length);
        memcpy(line, text + at, length);
        good = reply_add(&reply, line, length, &last, &why);
        free(line);
        at += length;
    }
    must(good || why);
    must(reply.count <= REPLY_LINES && reply.lines.length <= REPLY_ALL);
    if (good && reply.count) {
        must(reply.code >= 200 && reply.code <= 599);
        size_t length;
        for (size_t i = 0; i <= reply.count; i++)
            must(!reply_line(&reply, i, &length) == (i == reply.count));
        struct buffer words = {0};
        reply_format(&reply, &words);
        must_be_clean(buffer_text(&words));
        buffer_free(&words);
        struct outcome outcome = reply_outcome(&reply, "mx.example.org", "RCPT");
        must_be_clean(outcome.reason);
        const char *host, *found;
        must(reply_find(outcome.reason, &host, &length, &found));
        must(length == strlen("mx.example.org") && memcmp(host, "mx.example.org", length) == 0);
        outcome = reply_later(&reply, "mx.example.org", "MAIL", NULL);
        must(outcome.result == LATER);
    }
    reply_free(&reply);
    return 0;
}

/* Replies: a parser that trusts nothing, and what they mean for mail. */
#include "net/reply.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* One to three digits; NULL when there are none or more. */
static const char *skip_number(const char *p, const char *end)
{
    const char *begin = p;
    while (p < end && is_digit(*p))
        p++;
    return p > begin && p - begin <= 3 ? p : NULL;
}

/* "5.1.1 words": the code when its class is that of the reply (RFC 2034 section 4). */
static void find_status(struct reply *reply, const char *text, size_t length)
{
    const char *end = text + length, *p;
    if (length < 5 || text[0] != (char)('0' + reply->code / 100) || text[1] != '.' ||
        !(p = skip_number(text + 2, end)) || p == end || *p != '.' ||
        !(p = skip_number(p + 1, end)) || (p < end && *p != ' '))
        return;
    size_t size = (size_t)(p - text);
    if (size < sizeof reply->status) {
        memcpy(reply->status, text, size);
        reply->status[size] = '\0';
    }
}

static const char *fault_of(const struct reply *reply, const char *line, size_t length)
{
    if (memchr(line, '\0', length))
        return "a NUL in it";
    if (memchr(line, '\r', length))
        return "a bare CR in it";
    if (length < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2]))
        return "no reply code";
    if (length > 3 && line[3] != ' ' && line[3] != '-')
        return "no reply code";
    int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    if (reply->count && code != reply->code)
        return "a reply code that changes within the reply";
    if (reply->count >= REPLY_LINES)
        return "too many lines";
    return NULL;
}

bool reply_add(struct reply *reply, const char *line, size_t length, bool *last, const char **why)
{
    if (length && line[length - 1] == '\n')
        length--;
    if (length && line[length - 1] == '\r')
        length--;
    *why = length > REPLY_LINE ? "a line that is too long" : fault_of(reply, line, length);
    if (*why)
        return false;
    reply->lines.limit = REPLY_ALL;
    if (reply->count == 0) {
        reply->code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
        reply->status[0] = '\0';
        buffer_clear(&reply->lines);
    }
    /* It stands in each line; some have it in the last one only. */
    if (length > 4 && !reply->status[0])
        find_status(reply, line + 4, length - 4);
    reply->count++;
    buffer_append(&reply->lines, line, length);
    buffer_append_byte(&reply->lines, '\n');
    if (reply->lines.failed) {
        *why = "too many bytes";
        return false;
    }
    *last = length == 3 || line[3] == ' ';
    return true;
}

struct outcome reply_read(struct stream *stream, struct reply *reply, const char *host,
                          const char *when)
{
    struct buffer line = {.limit = REPLY_LINE};
    struct outcome outcome = outcome_done();
    const char *why = NULL;
    bool last = false;
    reply->code = 0;
    reply->count = 0;
    reply->masked = false;
    buffer_clear(&reply->lines);
    while (!last && !why && outcome_good(&outcome)) {
        buffer_clear(&line);
        if (stream_line(stream, &line))
            (void)reply_add(reply, line.data, line.length, &last, &why);
        else if (line.failed)
            why = "a line that is too long";
        else
            outcome = stream_trouble(stream, host, when);
    }
    if (why)
        outcome = outcome_later("4.5.0", "%s sent an improper reply %s, with %s", host, when, why);
    buffer_free(&line);
    return outcome;
}

const char *reply_line(const struct reply *reply, size_t index, size_t *length)
{
    const char *p = buffer_text(&reply->lines), *end = p + reply->lines.length;
    for (; p < end; index--) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline)
            return NULL;
        if (index == 0) {
            size_t skip = newline - p > 4 ? 4 : (size_t)(newline - p);
            *length = (size_t)(newline - p) - skip;
            return p + skip;
        }
        p = newline + 1;
    }
    return NULL;
}

void reply_format(const struct reply *reply, struct buffer *text)
{
    size_t start = text->length;
    buffer_format(text, "%03d", reply->code);
    const char *line;
    size_t length, status = strlen(reply->status);
    if (reply->masked)
        buffer_append_text(text, " (it repeats the password)");
    for (size_t i = 0; !reply->masked && (line = reply_line(reply, i, &length)); i++) {
        /* The status code stands in each line; once is enough. */
        if (i && status && length >= status && memcmp(line, reply->status, status) == 0) {
            line += status;
            length -= status;
        }
        while (length && *line == ' ')
            line++, length--;
        if (length) {
            buffer_append_byte(text, ' ');
            buffer_append(text, line, length);
        }
    }
    text_tame(text->data + start, text->length - start);
}

static struct outcome make(const struct reply *reply, enum result result, const char *status,
                           const char *host, const char *when)
{
    struct buffer text = {0};
    reply_format(reply, &text);
    char class = result == DONE ? '2' : result == NEVER ? '5' : '4', code[sizeof reply->status];
    if (!status)
        status = reply->status[0] ? reply->status : "?.0.0";
    snprintf(code, sizeof code, "%c%s", class, status + 1);
    struct outcome outcome;
    if (result == NEVER)
        outcome = outcome_never(code, "%s said %s: %s", host, when, buffer_text(&text));
    else
        outcome = outcome_later(code, "%s said %s: %s", host, when, buffer_text(&text));
    if (result == DONE) {
        outcome.result = DONE;
        outcome.exit_status = 0;
    }
    buffer_free(&text);
    return outcome;
}

struct outcome reply_outcome(const struct reply *reply, const char *host, const char *when)
{
    int class = reply->code / 100;
    return make(reply, class == 2 ? DONE : class == 5 ? NEVER : LATER, NULL, host, when);
}

struct outcome reply_later(const struct reply *reply, const char *host, const char *when,
                           const char *status)
{
    return make(reply, LATER, status, host, when);
}

bool reply_find(const char *reason, const char **host, size_t *host_length, const char **reply)
{
    static const char said[] = " said ";
    const char *end = strstr(reason, said);
    if (!end)
        return false;
    const char *start = end;
    while (start > reason && start[-1] != ' ')
        start--;
    for (const char *at = strstr(end, ": "); at; at = strstr(at + 1, ": ")) {
        const char *code = at + 2;
        if (strspn(code, "0123456789") != 3 || (code[3] && code[3] != ' '))
            continue;
        *host = start;
        *host_length = (size_t)(end - start);
        *reply = code;
        return end > start;
    }
    return false;
}

void reply_free(struct reply *reply)
{
    buffer_free(&reply->lines);
    *reply = (struct reply){0};
}

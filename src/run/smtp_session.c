/*
 * Commands out, replies in. It knows the order of neither: that is the matter of smtp_greeting.c
 * and smtp_round.c. RFC 5321 4.2 and 4.5.3, 2920.
 */
#include "run/smtp_session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

/* What is shorter stands in a reply by chance; what is shown of a cut message must be less. */
enum { SECRET_SHORTEST = 4, SECRET_SHOWN = 16 };
enum { MOMENT_MS = 50 };

void smtp_trace(const struct smtp_session *session, char direction, const char *line)
{
    if (session->hop->trace)
        session->hop->trace(session->hop->trace_context, direction, line);
}

int64_t smtp_milliseconds(const struct smtp_session *session, enum smtp_limit limit)
{
    unsigned percent = session->hop->timeout_percent;
    int64_t time = (int64_t)limit * 10 * (percent ? percent : 100);
    if (!session->hop->deadline)
        return time;
    int64_t left = session->hop->deadline - clock_ms();
    /* There may be another address to connect to. */
    if (limit == LIMIT_CONNECT)
        left /= 2;
    return left < 0 ? 0 : left < time ? left : time;
}

static void put_line(struct smtp_session *session, const char *line, const char *shown)
{
    smtp_trace(session, '>', shown);
    buffer_append_text(&session->out, line);
    buffer_append_text(&session->out, "\r\n");
    session->unsent++;
}

void smtp_put(struct smtp_session *session, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *line = NULL;
    if (vasprintf(&line, format, arguments) < 0)
        impossible("a command that cannot be formatted");
    va_end(arguments);
    /* Whatever an address or a parameter holds, it makes one command. */
    text_clean(line);
    put_line(session, line, line);
    free(line);
}

void smtp_put_secret(struct smtp_session *session, const char *line, const char *shown)
{
    const char *space = strrchr(line, ' ');
    if (strcmp(line, shown) != 0)
        buffer_append(&session->told, space ? space + 1 : line,
                      strlen(space ? space + 1 : line) + 1);
    put_line(session, line, shown);
}

static bool repeats(const struct smtp_session *session, const char *secret, size_t length)
{
    const struct buffer *lines = &session->reply.lines;
    return length >= SECRET_SHORTEST && lines->length &&
           memmem(lines->data, lines->length, secret, length);
}

/* Whether a reply shows the password, or the beginning of a message of AUTH, which holds it. */
static bool shows_secret(const struct smtp_session *session)
{
    const struct buffer *secret = session->hop->secret, *told = &session->told;
    if (session->hop->auth == AUTH_OFF)
        return false;
    for (size_t at = 0; at < told->length; at += strlen(told->data + at) + 1)
        if (repeats(session, told->data + at, strnlen(told->data + at, SECRET_SHOWN)))
            return true;
    return secret && repeats(session, secret->data, secret->length);
}

/*
 * Secrets must not reach a log by way of a server that repeats them: as they are, or, with what
 * many a server says to a command that it does not know, in base64.
 */
static void hide_secret(struct smtp_session *session)
{
    session->reply.masked = shows_secret(session);
}

static void trace_reply(struct smtp_session *session)
{
    const char *text = buffer_text(&session->reply.lines);
    if (session->reply.masked) {
        struct buffer words = {0};
        reply_format(&session->reply, &words);
        smtp_trace(session, '<', buffer_text(&words));
        buffer_free(&words);
        return;
    }
    while (*text && session->hop->trace) {
        size_t length = strcspn(text, "\n");
        char *line = memory_copy(text, length);
        text_tame(line, length);
        smtp_trace(session, '<', line);
        free(line);
        text += length + (text[length] == '\n');
    }
}

/* Something came without a question. It may say why: a 421 for idling, a refusal in mid-message. */
static struct outcome unasked(struct smtp_session *session)
{
    stream_allow(&session->stream, 0);
    struct outcome outcome =
        reply_read(&session->stream, &session->reply, session->host, "while nothing was asked");
    session->dead = true;
    hide_secret(session);
    trace_reply(session);
    if (!outcome_good(&outcome))
        return outcome;
    struct buffer text = {0};
    reply_format(&session->reply, &text);
    outcome = session->reply.code == 421
                  ? reply_later(&session->reply, session->host, "unasked", NULL)
                  : outcome_later("4.5.0", "%s sent a reply without a command: %s", session->host,
                                  buffer_text(&text));
    buffer_free(&text);
    return outcome;
}

struct outcome smtp_flush(struct smtp_session *session, enum smtp_limit limit)
{
    if (!session->awaited && stream_waiting(&session->stream))
        return unasked(session);
    stream_allow(&session->stream, smtp_milliseconds(session, limit));
    (void)stream_write(&session->stream, session->out.data, session->out.length);
    session->awaited += session->unsent;
    session->unsent = 0;
    buffer_clear(&session->out);
    return outcome_done();
}

void smtp_settle(struct smtp_session *session)
{
    if (session->source && session->source->sync)
        session->source->sync(session->source->context);
    session->unsettled = 0;
}

/*
 * A power cut repeats what is under way, for nobody knows yet what became of it, and what is not
 * settled: that is to be less, and not for long. And should the server close with more unread, its
 * host throws away the replies that wait for our host's acknowledgement of those before (RFC 896).
 */
static void prepare_to_wait(struct smtp_session *session)
{
    if (session->under_way > 1)
        stream_acknowledge(&session->stream);
    bool few = session->unsettled + 1 < session->under_way;
    if (session->unsettled && (!few || !stream_comes(&session->stream, MOMENT_MS)))
        smtp_settle(session);
}

struct outcome smtp_read(struct smtp_session *session, enum smtp_limit limit, const char *when)
{
    if (!stream_holds(&session->stream))
        prepare_to_wait(session);
    stream_allow(&session->stream, smtp_milliseconds(session, limit));
    struct outcome outcome = reply_read(&session->stream, &session->reply, session->host, when);
    hide_secret(session);
    trace_reply(session);
    if (session->awaited)
        session->awaited--;
    if (outcome_good(&outcome) && session->reply.code == 421)
        outcome = reply_later(&session->reply, session->host, when, NULL);
    if (!outcome_good(&outcome))
        session->dead = true;
    return outcome;
}

struct outcome smtp_ask(struct smtp_session *session, enum smtp_limit limit, const char *when)
{
    struct outcome outcome = smtp_flush(session, limit);
    return outcome_good(&outcome) ? smtp_read(session, limit, when) : outcome;
}

bool smtp_has_parted(struct smtp_session *session)
{
    const char *words;
    size_t length;
    if (session->reply.code != 421)
        return false;
    smtp_settle(session);
    stream_allow(&session->stream, smtp_milliseconds(session, LIMIT_QUIT));
    return !stream_block(&session->stream, &words, &length) && session->stream.ended;
}

struct outcome smtp_misplaced(struct smtp_session *session, const char *when)
{
    struct buffer text = {0};
    reply_format(&session->reply, &text);
    struct outcome outcome = outcome_later("4.5.0", "%s sent a reply out of place %s: %s",
                                           session->host, when, buffer_text(&text));
    buffer_free(&text);
    session->dead = true;
    return outcome;
}

struct outcome smtp_verdict(const struct smtp_session *session, const char *when)
{
    return reply_outcome(&session->reply, session->host, when);
}

void smtp_close(struct smtp_session *session)
{
    struct stream *stream = &session->stream;
    if (!session->dead && !stream->broken && !stream->ended && !session->awaited) {
        smtp_put(session, "QUIT");
        /* It has done its work; how this ends changes nothing. */
        (void)smtp_ask(session, LIMIT_QUIT, "after QUIT");
    }
    smtp_settle(session);
    stream_close(stream);
    reply_free(&session->reply);
    buffer_wipe(&session->out);
    buffer_wipe(&session->told);
    buffer_free(&session->offer.auth);
}

/* The message: read in blocks, encoded, sent in blocks. Memory is bounded by the block. */
#include "run/smtp_body.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "mail/mime.h"

static void end_line(struct smtp_encoder *encoder, struct buffer *out)
{
    buffer_append(out, "\r\n", 2);
    encoder->size += 2;
    encoder->in_line = false;
}

static void put_text(struct smtp_encoder *encoder, const char *text, size_t length,
                     struct buffer *out)
{
    if (!encoder->in_line && *text == '.' && !encoder->plain)
        buffer_append_byte(out, '.');
    buffer_append(out, text, length);
    encoder->size += length;
    encoder->in_line = true;
}

/* The first CR or LF, or the end. */
static const char *find_end(const char *data, const char *end)
{
    const char *newline = memchr(data, '\n', (size_t)(end - data));
    if (newline)
        end = newline;
    const char *cr = memchr(data, '\r', (size_t)(end - data));
    return cr ? cr : end;
}

void smtp_encode(struct smtp_encoder *encoder, const char *data, size_t length, struct buffer *out)
{
    const char *end = data + length;
    while (data < end) {
        const char *stop = find_end(data, end);
        if (stop > data) {
            put_text(encoder, data, (size_t)(stop - data), out);
            encoder->after_cr = false;
        }
        if (stop == end)
            break;
        /* A line may end with CR, LF or CRLF; nothing else that could be taken for an end, by
         * whatever server comes behind, leaves this house (CVE-2023-51764). */
        if (*stop == '\r' || !encoder->after_cr)
            end_line(encoder, out);
        encoder->after_cr = *stop == '\r';
        data = stop + 1;
    }
}

void smtp_encode_end(struct smtp_encoder *encoder, struct buffer *out)
{
    if (encoder->in_line)
        end_line(encoder, out);
}

/* Hands the file on in blocks; LATER when it ends too early or the sink says so. */
static struct outcome read_file(const struct transaction *transaction,
                                bool (*sink)(void *context, const char *data, size_t length),
                                void *context)
{
    char *block = memory_block(FILE_BLOCK);
    struct outcome outcome = outcome_done();
    for (uint64_t at = 0; at < transaction->size && outcome_good(&outcome);) {
        uint64_t rest = transaction->size - at;
        size_t wanted = rest < FILE_BLOCK ? (size_t)rest : FILE_BLOCK;
        ssize_t count =
            file_read_at(transaction->fd, block, wanted, transaction->start + (off_t)at);
        if (count < 0)
            outcome = outcome_errno(errno, "cannot read the queued message");
        else if ((size_t)count < wanted)
            outcome = outcome_later("4.3.0", "the queued message is shorter than it was");
        else if (!sink(context, block, wanted))
            outcome = outcome_later("4.4.2", "the message could not be sent");
        at += wanted;
    }
    free(block);
    return outcome;
}

/* In the form that is wanted. */
static struct outcome read_message(const struct transaction *transaction, enum mime_form form,
                                   bool (*sink)(void *context, const char *data, size_t length),
                                   void *context)
{
    if (form == MIME_AS_IS)
        return read_file(transaction, sink, context);
    return mime_convert(form, transaction->fd, transaction->start, transaction->size, sink,
                        context);
}

struct looking {
    struct smtp_encoder encoder;
    struct buffer out;
    bool (*sink)(void *context, const char *data, size_t length);
    void *context;
};

static bool look_at(void *context, const char *data, size_t length)
{
    struct looking *looking = context;
    smtp_encode(&looking->encoder, data, length, &looking->out);
    bool good =
        !looking->sink || looking->sink(looking->context, looking->out.data, looking->out.length);
    buffer_clear(&looking->out);
    return good;
}

struct outcome smtp_body_look(const struct transaction *transaction, enum mime_form form,
                              bool (*sink)(void *context, const char *data, size_t length),
                              void *context, uint64_t *size)
{
    struct looking looking = {.encoder.plain = true, .sink = sink, .context = context};
    if (transaction->prefix)
        look_at(&looking, transaction->prefix, strlen(transaction->prefix));
    struct outcome outcome = read_message(transaction, form, look_at, &looking);
    smtp_encode_end(&looking.encoder, &looking.out);
    if (outcome_good(&outcome) && sink && !sink(context, looking.out.data, looking.out.length))
        outcome = outcome_later("4.3.0", "the message was not looked at to its end");
    buffer_free(&looking.out);
    *size = looking.encoder.size;
    return outcome;
}

static void trace_message(const struct transaction *transaction, const struct smtp_session *session)
{
    char words[64];
    snprintf(words, sizeof words, "message of %" PRIu64 " bytes", transaction->size);
    smtp_trace(session, '*', words);
}

struct sending {
    struct smtp_session *session;
    struct smtp_encoder encoder;
    struct outcome outcome; /* of the session, when that is what stopped it */
};

static bool send_block(void *context, const char *data, size_t length)
{
    struct sending *sending = context;
    struct smtp_session *session = sending->session;
    while (length) {
        size_t part = length < FILE_BLOCK ? length : FILE_BLOCK;
        smtp_encode(&sending->encoder, data, part, &session->out);
        data += part;
        length -= part;
        if (session->out.length < FILE_BLOCK)
            continue;
        smtp_settle(session);
        sending->outcome = smtp_flush(session, LIMIT_BLOCK);
        /* Once more, with nothing to send: a reply that says why may have come. */
        if (outcome_good(&sending->outcome) && session->stream.broken)
            sending->outcome = smtp_flush(session, LIMIT_BLOCK);
        if (outcome_good(&sending->outcome) && session->stream.broken)
            sending->outcome =
                stream_trouble(&session->stream, session->host, "during the message");
        if (!outcome_good(&sending->outcome))
            return false;
    }
    return true;
}

/* Not even a NEVER of the converter counts now: the server was promised a message. */
static struct outcome break_promise(struct smtp_session *session, struct outcome outcome)
{
    if (outcome.result == NEVER)
        outcome = outcome_later("4.6.3", "%s", outcome.reason);
    session->dead |= !outcome_good(&outcome);
    return outcome;
}

struct outcome smtp_body_send(struct smtp_session *session, const struct transaction *transaction,
                              enum mime_form form, const char *signature)
{
    struct sending sending = {.session = session, .outcome = outcome_done()};
    trace_message(transaction, session);
    smtp_encode(&sending.encoder, signature, strlen(signature), &session->out);
    if (transaction->prefix)
        smtp_encode(&sending.encoder, transaction->prefix, strlen(transaction->prefix),
                    &session->out);
    struct outcome outcome = read_message(transaction, form, send_block, &sending);
    smtp_encode_end(&sending.encoder, &session->out);
    if (!outcome_good(&sending.outcome))
        outcome = sending.outcome;
    return break_promise(session, outcome);
}

static bool keep(void *context, const char *data, size_t length)
{
    if (length)
        buffer_append(context, data, length);
    return true;
}

struct outcome smtp_body_put(struct smtp_session *session, const struct transaction *transaction,
                             enum mime_form form, const char *signature)
{
    struct smtp_encoder encoder = {.plain = true};
    struct buffer chunk = {0};
    uint64_t size;
    smtp_encode(&encoder, signature, strlen(signature), &chunk);
    struct outcome outcome = smtp_body_look(transaction, form, keep, &chunk, &size);
    if (outcome_good(&outcome)) {
        smtp_put(session, "BDAT %zu LAST", chunk.length);
        buffer_append(&session->out, chunk.data, chunk.length);
        trace_message(transaction, session);
    }
    buffer_free(&chunk);
    return break_promise(session, outcome);
}

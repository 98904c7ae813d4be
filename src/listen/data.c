/*
 * See data.h. Once the end of a message has been read it is either on stable storage when 250 is
 * said, or gone without a trace; a session that ends before leaves nothing.
 */
#include "listen/data.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "listen/command.h"
#include "listen/starttls.h"
#include "net/tls_server.h"
#include "queue/runner.h"

enum { SLOWEST = 500 /* bytes in a second that a client must send in the long run */ };

static const char bare_words[] = "a CR or LF stands alone, or a NUL: lines end in CR LF (RFC 5321 "
                                 "2.3.8)";

/* ---- the message ---- */

/* What is said of the way here in Received. */
static void describe(const struct session *session, struct buffer *from, struct buffer *tls)
{
    if (session->is_pipe)
        buffer_format(from, "(from %s)", session->client);
    else
        buffer_format(from, "%s (%s)", session->helo, session->client);
    if (session->stream.tls)
        tls_describe_received(session->stream.tls, tls);
}

static void mask_sender(struct session *session)
{
    struct address *sender = &session->envelope.sender;
    masquerade_read(&session->settings->masquerade, &session->masquerade);
    const struct address *other = masquerade_find(&session->masquerade, sender);
    if (other) {
        address_free(sender);
        *sender = address_copy(other);
    }
}

static void begin(struct session *session)
{
    bool submitted = session->envelope.submitted = session->visitor.trusted;
    if (submitted)
        mask_sender(session);
    describe(session, &session->received_from, &session->received_tls);
    session->arrival = (struct arrival){
        .settings = session->settings,
        .queue = &session->queue,
        .id = session->id,
        .envelope = &session->envelope,
        .from = buffer_text(&session->received_from),
        .tls = session->received_tls.length ? buffer_text(&session->received_tls) : NULL,
        .protocol = session_protocol(session),
        .submitted = submitted,
        .masquerade = submitted ? &session->masquerade : NULL,
        .filter = session->filter,
        .client = session_filter_client(session),
    };
    session->message = message_open(&session->arrival);
}

static void log_received(const struct session *session, const struct taken *taken)
{
    const struct envelope *envelope = &session->envelope;
    char bytes[24], count[24];
    snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)taken->size);
    snprintf(count, sizeof count, "%zu", envelope->count);
    char *from = address_text(&envelope->sender);
    char *to = envelope->count == 1 ? address_text(&envelope->recipients[0].address) : NULL;
    struct buffer tls = {0}, certificate = {0};
    if (session->stream.tls)
        starttls_describe(session->stream.tls, &tls, &certificate);
    log_event(taken->id, taken->discarded ? "discarded" : "received", "from", *from ? from : "<>",
              "to", to, "nrcpt", to ? NULL : count, "size", bytes, "client", session->client,
              "helo", session->helo, "proto", session_protocol(session), "tls",
              tls.length ? buffer_text(&tls) : NULL, "certificate",
              certificate.length ? buffer_text(&certificate) : NULL, "user", session->user,
              "message-id", taken->message_id, NULL);
    free(from);
    free(to);
    buffer_free(&tls);
    buffer_free(&certificate);
}

static unsigned code_of(const struct outcome *outcome)
{
    return outcome->result == LATER ? 452 : strcmp(outcome->status, "5.3.4") == 0 ? 552 : 554;
}

/* The end has been read: what came of it, told and logged. */
static void finish(struct session *session)
{
    struct taken taken = {0};
    struct outcome outcome;
    if (session->wire.bare) {
        outcome = outcome_never("5.6.0", "%s", bare_words);
        message_drop(session->message);
    } else {
        outcome = message_commit(session->message, &taken);
    }
    session->message = NULL;
    if (outcome_good(&outcome)) {
        log_received(session, &taken);
        if (!taken.discarded)
            runner_leave_mark(&session->queue);
        session_reply(session, 250, "2.0.0", "taken as %s", taken.id);
        session->idle = session->errors = 0;
    } else {
        session_refuse_filtered(session, NULL, code_of(&outcome), &outcome);
    }
    free(taken.message_id);
    session_reset(session);
}

/* Whether a message can begin now; else that has been said. */
static bool may_begin(struct session *session)
{
    if (!session->has_sender) {
        session_refuse(session, 503, "5.5.1", "say MAIL first");
        return false;
    }
    if (!session->envelope.count) {
        session_refuse(session, 554, "5.5.1", "there is no recipient");
        return false;
    }
    struct outcome outcome =
        filter_data(session->filter, session_filter_client(session), &session->envelope);
    if (outcome_good(&outcome))
        return true;
    session_refuse_filtered(session, NULL, 0, &outcome);
    session_reset(session);
    return false;
}

/* ---- bytes ---- */

/* What is worth no keeping is read all the same, so that the next command is found. */
static void drop(void *context, const char *data, size_t length)
{
    (void)context;
    (void)data;
    (void)length;
}

/*
 * Takes what has come in, at most so many bytes. The client gets its time anew for each block, yet
 * in the long run it must not be too slow. False: nothing more comes, and the session is over.
 */
static bool take_block(struct session *session, uint64_t most, uint64_t *taken)
{
    const char *data;
    size_t length;
    int64_t now = clock_ms(), time = (int64_t)session->listener->timeout * 1000;
    int64_t latest = session->data_began + time + (int64_t)(session->data_taken * 1000 / SLOWEST);
    stream_allow(&session->stream, latest < now + time ? latest - now : time);
    /* Too late is too late, though something has come: many small chunks could go on for ever. */
    if (latest <= now && !session->stream.error)
        session->stream.error = ETIMEDOUT;
    if (latest <= now || !stream_block(&session->stream, &data, &length)) {
        session_lost(session);
        return false;
    }
    if (length > most)
        length = (size_t)most;
    bool wanted = session->message && !session->wire.bare && !message_is_poisoned(session->message);
    size_t used =
        wire_take(&session->wire, data, length, wanted ? message_put : drop, session->message);
    stream_skip(&session->stream, used);
    session->data_taken += used;
    if (session->data_taken / 2 > session->settings->max_message_size) {
        session_end(session, 552, "5.3.4", "that is far too large");
        return false;
    }
    *taken = used;
    return true;
}

/* The bytes of a message come from now on. */
static void expect(struct session *session, bool chunked)
{
    session->wire = (struct wire){.chunked = chunked};
    session->data_began = clock_ms();
    session->data_taken = 0;
}

void verb_data(struct session *session, char *argument)
{
    if (*argument) {
        session_refuse(session, 501, "5.5.4", "DATA takes no parameters");
        return;
    }
    if (session->chunking) {
        session_refuse(session, 503, "5.5.1", "the message has begun with BDAT");
        return;
    }
    if (!may_begin(session))
        return;
    session_reply(session, 354, "", "go on; end with a line that is a dot");
    if (!session_flush(session))
        return;
    begin(session);
    expect(session, false);
    uint64_t taken;
    while (!session->wire.ended)
        if (!take_block(session, UINT64_MAX, &taken))
            return;
    finish(session);
}

/* The bytes of a chunk come whether it is wanted or not. */
static bool take_chunk(struct session *session, uint64_t size)
{
    while (size) {
        uint64_t taken;
        if (!session_flush(session) || !take_block(session, size, &taken))
            return false;
        size -= taken;
    }
    return true;
}

void verb_bdat(struct session *session, char *argument)
{
    uint64_t size;
    bool last;
    if (!command_parse_bdat(argument, &size, &last)) {
        session_end(session, 501, "5.5.4", "BDAT wants a size, and perhaps LAST");
        return;
    }
    uint64_t most = session->settings->max_message_size;
    if (size > 2 * most) {
        session_end(session, 552, "5.3.4", "a message may have %llu bytes here",
                    (unsigned long long)most);
        return;
    }
    /* The bytes of what is refused already come as well, and are thrown away. */
    bool first = !session->chunking, good = !first || may_begin(session);
    if (first && good)
        begin(session);
    if (first)
        expect(session, true);
    session->chunking = good;
    if (!take_chunk(session, size) || !good)
        return;
    if (!last && size == 0 && !session_count_idle(session))
        return;
    if (!last) {
        session_reply(session, 250, "2.0.0", "%llu bytes taken", (unsigned long long)size);
        return;
    }
    if (session->wire.place == WIRE_CR)
        session->wire.bare = true;
    finish(session);
}

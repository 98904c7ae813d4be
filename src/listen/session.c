/*
 * The dialogue (see session.h): lines in, replies out, in groups when they come in groups. What a
 * command means is for the files of the verbs.
 */
#include "listen/session.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/network.h"
#include "listen/command.h"
#include "listen/confine.h"
#include "listen/starttls.h"
#include "listen/verb.h"
#include "mail/complete.h"
#include "net/dial.h"
#include "net/tls_server.h"
#include "route/user_table.h"

enum {
    LINE_MOST = 12288 + 2, /* of an AUTH dialogue, RFC 4954 4; of commands COMMAND_LONGEST */
    REPLY_LONGEST = 512,   /* RFC 5321 4.5.3.1.5 */
    MOST_ERRORS = 20,
    MOST_IDLE = 100,
    OUTPUT_SENT_AT = 16384, /* bytes of replies that wait for no end of the group */
    LINGER_MS = 2000,       /* for what is still on its way when we close */
    LINGER_BYTES = 1024 * 1024
};

/* ---- replies ---- */

static void add_reply(struct session *session, unsigned code, char separator, const char *status,
                      const char *format, va_list arguments)
{
    char words[REPLY_LONGEST + 1];
    size_t most = sizeof words - strlen("250 \r\n") - strlen(status) - (*status != '\0');
    vsnprintf(words, most, format, arguments);
    text_clean(words);
    buffer_format(&session->output, "%u%c%s%s%s\r\n", code, separator, status, *status ? " " : "",
                  words);
}

void session_reply(struct session *session, unsigned code, const char *status, const char *format,
                   ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_reply(session, code, ' ', status, format, arguments);
    va_end(arguments);
}

void session_reply_part(struct session *session, unsigned code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_reply(session, code, '-', "", format, arguments);
    va_end(arguments);
}

void session_end(struct session *session, unsigned code, const char *status, const char *format,
                 ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_reply(session, code, ' ', status, format, arguments);
    va_end(arguments);
    session->is_over = true;
    session->was_cut = code >= 400;
}

/* What is counted ends the session when it is too much. */
static void count_error(struct session *session)
{
    if (session->is_lenient)
        return;
    if (++session->errors >= MOST_ERRORS && !session->is_over) {
        log_event("-", "rejected", "client", session->client, "helo", session->helo, "reason",
                  "too many commands that had to be refused", NULL);
        session_end(session, 421, "4.7.0", "too many errors");
    }
}

void session_refuse(struct session *session, unsigned code, const char *status, const char *format,
                    ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_reply(session, code, ' ', status, format, arguments);
    va_end(arguments);
    count_error(session);
}

/* 0: by its result. */
static unsigned code_of(unsigned code, const struct outcome *outcome)
{
    return code ? code : outcome->result == LATER ? 451 : 550;
}

void session_refuse_by(struct session *session, unsigned code, const struct outcome *outcome)
{
    session_refuse(session, code_of(code, outcome), outcome->status, "%s", outcome->reason);
}

/* The lines as they are. */
static void refuse_in_full(struct session *session, const struct reply *reply)
{
    const char *line = buffer_text(&reply->lines);
    while (*line) {
        size_t length = strcspn(line, "\n");
        buffer_append(&session->output, line, length);
        buffer_append_text(&session->output, "\r\n");
        line += length + (line[length] == '\n');
    }
    session->is_over = session->is_over || reply->code == 421;
    count_error(session);
}

void session_refuse_filtered(struct session *session, const char *recipient, unsigned code,
                             const struct outcome *outcome)
{
    const struct reply *reply = filter_reply(session->filter);
    session_log_rejected(session, recipient, reply ? (unsigned)reply->code : code_of(code, outcome),
                         outcome->status, outcome->reason);
    if (reply)
        refuse_in_full(session, reply);
    else
        session_refuse_by(session, code, outcome);
}

bool session_count_idle(struct session *session)
{
    if (++session->idle <= MOST_IDLE)
        return true;
    session_end(session, 421, "4.7.0", "too many commands that do nothing");
    return false;
}

/* Gives the client its time for the next command, or to take our replies. */
static void allow_time(struct session *session)
{
    stream_allow(&session->stream, (int64_t)session->listener->timeout * 1000);
}

bool session_flush(struct session *session)
{
    struct buffer *output = &session->output;
    if (!output->length)
        return true;
    allow_time(session);
    bool sent = stream_write(&session->stream, output->data, output->length);
    buffer_clear(output);
    session->is_over = session->is_over || !sent;
    return sent;
}

void session_log_rejected(const struct session *session, const char *recipient, unsigned code,
                          const char *status, const char *words)
{
    struct buffer reply = {0};
    buffer_format(&reply, "%u %s %s", code, status, words);
    char *from = address_text(&session->envelope.sender);
    log_event("-", "rejected", "client", session->client, "helo", session->helo, "user",
              session->user, "from", *from ? from : "<>", "to", recipient, "reply",
              buffer_text(&reply), NULL);
    free(from);
    buffer_free(&reply);
}

/* ---- who it is ---- */

bool session_is_known(const struct session *session)
{
    return session->is_pipe || session->user ||
           (session->stream.tls && tls_client_is_verified(session->stream.tls));
}

void session_trust(struct session *session)
{
    session->visitor.user = session->user;
    session->visitor.trusted = session->in_network || session_is_known(session);
}

const char *session_protocol(const struct session *session)
{
    /* By UTF8, TLS and a signed-in user: RFC 3848, RFC 6531 4.3. */
    static const char *const names[2][2][2] = {
        {{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}},
        {{"UTF8SMTP", "UTF8SMTPA"}, {"UTF8SMTPS", "UTF8SMTPSA"}}};
    if (!session->extended)
        return "SMTP";
    return names[session->smtputf8][session->stream.tls != NULL][session->user != NULL];
}

const struct filter_client *session_filter_client(struct session *session)
{
    struct filter_client *client = &session->filter_client;
    client->literal = session->client;
    client->helo = session->helo;
    client->service = session->listener->name;
    client->trusted = session->visitor.trusted;
    client->user = session->user;
    client->mechanism = session->mechanism;
    client->tls = session->stream.tls;
    client->id = session->has_sender ? session->id : NULL;
    return client;
}

void session_reset(struct session *session)
{
    filter_reset(session->filter);
    message_drop(session->message);
    session->message = NULL;
    envelope_free(&session->envelope);
    session->envelope = (struct envelope){0};
    masquerade_free(&session->masquerade);
    session->masquerade = (struct masquerade){0};
    buffer_free(&session->received_from);
    buffer_free(&session->received_tls);
    session->has_sender = session->smtputf8 = session->chunking = false;
    session->refused = 0;
}

/* ---- reading ---- */

void session_lost(struct session *session)
{
    const struct stream *stream = &session->stream;
    const char *host = session->settings->hostname;
    if (stream->error == ECANCELED)
        session_end(session, 421, "4.3.2", "%s goes down", host);
    else if (stream->error == ETIMEDOUT)
        session_end(session, 421, "4.4.2", "%s waited for too long", host);
    if (session->has_sender)
        session_log_rejected(session, NULL, 421, "4.4.2",
                             stream->error == ECANCELED   ? "we stop"
                             : stream->error == ETIMEDOUT ? "the client took too long"
                                                          : "the client is gone");
    session->was_cut = session->was_cut || session->has_sender;
    session->is_over = true;
}

/* Replies go out before we wait, not while more of the client's group is there. */
static bool make_way(struct session *session)
{
    bool waits = !stream_waiting(&session->stream) || session->output.length > OUTPUT_SENT_AT;
    if (waits && !session_flush(session))
        return false;
    allow_time(session);
    return true;
}

/* No command begins with another byte: a TLS hello, for one, is no use to wait for the end of. */
static bool begins_like_command(struct session *session)
{
    const char *data;
    size_t length;
    if (!make_way(session))
        return false;
    if (!stream_block(&session->stream, &data, &length)) {
        session_lost(session);
        return false;
    }
    if ((unsigned char)*data >= ' ' || *data == '\r' || *data == '\n' || *data == '\t')
        return true;
    session_end(session, 500, "5.5.2", "this is SMTP, and that was not");
    return false;
}

static bool read_line(struct session *session, struct buffer *line, size_t most)
{
    const char *why = "the line is too long";
    if (!make_way(session))
        return false;
    buffer_clear(line);
    line->limit = most;
    bool read = stream_line(&session->stream, line);
    if (!read && !line->failed) {
        session_lost(session);
        return false;
    }
    if (read && command_take_line(line->data, &line->length, &why))
        return true;
    session_end(session, 500, "5.5.2", "%s", why);
    return false;
}

bool session_read_line(struct session *session, struct buffer *line)
{
    return read_line(session, line, LINE_MOST);
}

static bool has_more(struct session *session)
{
    return stream_waiting(&session->stream) && session->stream.start < session->stream.end;
}

/* Those who speak another protocol may be tricked into carrying mail; we do not go along. */
static bool is_foreign(const char *verb)
{
    static const char *const verbs[] = {"GET",     "POST",  "PUT",     "HEAD", "DELETE",
                                        "OPTIONS", "TRACE", "CONNECT", "PATCH"};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (text_equal(verbs[i], verb))
            return true;
    return *verb && verb[strlen(verb) - 1] == ':';
}

static bool needs_tls(const struct session *session)
{
    return session->listener->require_tls && !session->stream.tls && !session->is_pipe;
}

static void dispatch(struct session *session, char *line)
{
    char *name, *argument;
    command_part(line, &name, &argument);
    const struct verb *verb = verb_find(name);
    if (!verb && is_foreign(name)) {
        log_event("-", "rejected", "client", session->client, "reason", "it does not speak SMTP",
                  NULL);
        session_end(session, 554, "5.5.1", "this is SMTP, and that was not");
    } else if (!verb) {
        session_refuse(session, 502, "5.5.1", "there is no such command; HELP names them");
    } else if (!verb->is_clear && needs_tls(session)) {
        session_refuse(session, 530, "5.7.0", "say STARTTLS first: nothing is done in clear here");
    } else if (verb->is_last && !session->is_pipe && has_more(session)) {
        session_end(session, 554, "5.5.0", "nothing may follow %s before its reply (RFC 2920)",
                    verb->name);
    } else if (!verb->is_idle || session_count_idle(session)) {
        verb->run(session, argument);
    }
}

static void converse(struct session *session)
{
    struct buffer line = {0};
    while (!session->is_over && begins_like_command(session) &&
           read_line(session, &line, COMMAND_LONGEST))
        dispatch(session, line.data);
    buffer_wipe(&line);
}

/* ---- beginning and end ---- */

static struct outcome find_user(void *context, const char *name, char **canonical)
{
    const struct session *session = context;
    return user_table_find(name, session->service->config != NULL, canonical);
}

static void name_client(struct session *session, const struct session_start *start)
{
    struct buffer name = {0};
    if (start->address)
        network_format_literal(start->address, &name);
    else
        complete_name_submitter(start->login, (unsigned long)start->uid, &name);
    session->client = buffer_take(&name);
}

static struct outcome open_session(struct session *session, const struct session_start *start)
{
    const struct settings *settings = session->settings;
    name_client(session, start);
    session->is_near = start->address && dial_is_loopback(start->address);
    session->in_network =
        start->address && networks_have(&session->listener->relay_networks, start->address);
    session->may_ask =
        start->address && networks_have(&session->listener->etrn_networks, start->address);
    struct outcome outcome = queue_open(settings->queue_directory, false, &session->queue);
    if (!outcome_good(&outcome))
        return outcome;
    session->aliases_problem = aliases_open(&settings->aliases, &session->aliases);
    if (!outcome_good(&session->aliases_problem))
        log_error("%s", session->aliases_problem.reason);
    session->expander = (struct expander){.settings = settings,
                                          .aliases = session->aliases,
                                          .find_user = find_user,
                                          .lists_closed = true,
                                          .context = session};
    session->visitor =
        (struct visitor){.listener = session->listener, .expander = &session->expander};
    session_trust(session);
    session->filter_client.address = start->address;
    session->filter = filter_open(settings, session->service->lists, &session->queue);
    auth_open(&session->auth, session->listener, session->service->secret);
    return confine_session(settings);
}

/* A client that speaks before it was greeted does not listen either. */
static bool greet(struct session *session)
{
    if (session->listener->tls == TLS_IMPLICIT && !session->is_pipe && !starttls_accept(session))
        return false;
    if (!session->is_pipe && has_more(session)) {
        log_event("-", "rejected", "client", session->client, "reason",
                  "it spoke before it was greeted", NULL);
        session_end(session, 554, "5.5.0", "wait for the greeting (RFC 5321 4.3.1)");
        return false;
    }
    session_reply(session, 220, "", "%s ESMTP Postrider", session->settings->hostname);
    return true;
}

/* Closing while something is still on its way would take our last words away from the client. */
static void say_last_words(struct session *session)
{
    (void)session_flush(session);
    if (session->stream.ended || session->stream.broken)
        return;
    if (session->stream.tls)
        tls_finish(session->stream.tls);
    if (shutdown(session->stream.fd, SHUT_WR) < 0)
        return;
    size_t total = 0;
    const char *data;
    size_t length;
    if (session->has_sender)
        session->stream.watch = -1; /* a message may be on its way, even if we stop */
    stream_allow(&session->stream, LINGER_MS);
    while (total < LINGER_BYTES && stream_block(&session->stream, &data, &length)) {
        stream_skip(&session->stream, length);
        total += length;
    }
}

static void close_session(struct session *session)
{
    session_reset(session);
    stream_close(&session->stream);
    auth_close(&session->auth);
    aliases_close(session->aliases);
    filter_close(session->filter);
    queue_close(&session->queue);
    buffer_free(&session->output);
    free(session->client);
    free(session->helo);
    free(session->user);
}

int session_run(const struct session_start *start)
{
    struct session session = {
        .service = start->service,
        .settings = &start->service->settings,
        .listener = start->listener,
        .listener_index = start->listener_index,
        .orders = start->orders,
        .is_barred = start->is_barred,
        .is_pipe = start->address == NULL,
        .uid = start->uid,
        .login = start->login,
        .auth = {.users = {.fd = -1}},
    };
    stream_open(&session.stream, start->fd);
    session.stream.watch = start->watch;
    int status = EX_OK;
    struct outcome outcome = open_session(&session, start);
    if (!outcome_good(&outcome)) {
        status = EX_TEMPFAIL;
        log_error("%s", outcome.reason);
        session_end(&session, 421, "4.3.0", "%s cannot take mail now", session.settings->hostname);
    } else if (greet(&session)) {
        converse(&session);
    }
    say_last_words(&session);
    close_session(&session);
    if (status == EX_OK && session.was_cut)
        status = EX_DATAERR;
    return session.has_failed_to_sign_in ? EX_NOPERM : status;
}

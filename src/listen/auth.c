/*
 * The AUTH dialogue (see auth.h). A failure has one reply, whatever the cause, and that reply comes
 * at a time which does not depend on it either: so many seconds after the client's last word. Each
 * failure makes that longer, and few of them end the session. The listener hears of it by the
 * session's exit status (clients.h). Never logs a byte of a password.
 */
#include "listen/auth.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/listener.h"
#include "listen/session.h"
#include "net/sasl_server.h"

enum {
    MOST_FAILURES = 3,
    FIRST_DELAY_MS = 1000, /* doubled by each failure */
    NAME_SHOWN = 255       /* bytes of a name in the log */
};

/* ---- the users file ---- */

void auth_open(struct auth *auth, const struct listener *listener,
               const unsigned char secret[SASL_SECRET_SIZE])
{
    *auth = (struct auth){.users = {.fd = -1}, .trouble = outcome_done()};
    if (*listener->users)
        auth->trouble = users_open(listener->users, secret, &auth->users);
}

void auth_close(struct auth *auth)
{
    users_close(&auth->users);
}

/* Else who wonders why no client offers to sign in finds nothing. */
static void tell_of_clear(const struct listener *listener)
{
    char *heading = listener_heading(listener);
    if (*listener->users && listener->tls == TLS_OFF)
        log_notice("%s: users can sign in from this machine alone, as long as tls = off", heading);
    free(heading);
}

void auth_look_at_files(const struct settings *settings)
{
    static const unsigned char none[SASL_SECRET_SIZE];
    for (size_t i = 0; i < settings->listener_count; i++) {
        struct auth auth;
        bool verifiers;
        auth_open(&auth, &settings->listeners[i], none);
        if (outcome_good(&auth.trouble) && auth.users.fd >= 0)
            auth.trouble = users_check(&auth.users, &verifiers);
        if (!outcome_good(&auth.trouble))
            log_error("nobody can sign in: %s", auth.trouble.reason);
        else
            tell_of_clear(&settings->listeners[i]);
        auth_close(&auth);
    }
}

/* ---- who may try ---- */

/* Not where others could listen, or where nothing else is taken in clear either. */
static bool is_private(const struct session *session)
{
    return session->stream.tls || (session->is_near && !session->listener->require_tls);
}

/* SCRAM is for all or nobody: a client that chooses it could not come in with a password of which
 * we have a hash only. Looked up once, however often a client says EHLO. */
static bool has_scram(struct auth *auth)
{
    bool verifiers = false;
    if (!auth->is_read && auth->users.fd >= 0) {
        struct outcome outcome = users_check(&auth->users, &verifiers);
        auth->has_scram = outcome_good(&outcome) && verifiers;
    }
    auth->is_read = true;
    return auth->has_scram;
}

const char *auth_offer(struct session *session)
{
    if (!*session->listener->users || session->user || !is_private(session))
        return NULL;
    return has_scram(&session->auth) ? "SCRAM-SHA-256 PLAIN LOGIN" : "PLAIN LOGIN";
}

/* Whether AUTH has its place now; else it has been refused. */
static bool may_try(struct session *session)
{
    if (!*session->listener->users)
        session_refuse(session, 502, "5.5.1", "nobody can sign in here");
    else if (!session->extended)
        session_refuse(session, 503, "5.5.1", "say EHLO first");
    else if (session->user)
        session_refuse(session, 503, "5.5.1", "you have signed in already");
    else if (session->has_sender)
        session_refuse(session, 503, "5.5.1", "not within a transaction");
    else if (session->is_barred)
        session_refuse(session, 454, "4.7.0",
                       "too many failed attempts to sign in, try again later");
    else if (!is_private(session))
        session_refuse(session, 538, "5.7.11", "say STARTTLS first: nobody signs in in clear here");
    else
        return true;
    return false;
}

/* ---- how it ends ---- */

/* Until that time, unless the connection is broken or we stop. Who only says that he has nothing
 * more to say waits, too. */
static void wait_until(const struct session *session, int64_t when)
{
    struct pollfd ends[] = {{.fd = session->stream.fd},
                            {.fd = session->stream.watch, .events = POLLIN}};
    int64_t left;
    while ((left = when - clock_ms()) > 0)
        if (poll(ends, 2, (int)left) > 0)
            return;
}

/* A name that a stranger chose, cut for the log; the caller frees. */
static char *shown_name(const struct sasl_server *server)
{
    const char *name = sasl_server_user(server);
    size_t length = strlen(name);
    return memory_copy(name, length < NAME_SHOWN ? length : NAME_SHOWN);
}

static void log_failure(const struct session *session, const char *mechanism, const char *name,
                        const char *reason)
{
    log_event("-", "rejected", "client", session->client, "helo", session->helo, "auth", mechanism,
              "user", *name ? name : NULL, "reason", reason, NULL);
}

static void fail(struct session *session, int64_t heard)
{
    struct auth *auth = &session->auth;
    session->has_failed_to_sign_in = true;
    wait_until(session, heard + ((int64_t)FIRST_DELAY_MS << auth->failures));
    if (++auth->failures >= MOST_FAILURES)
        session_end(session, 421, "4.7.0", "too many failed attempts to sign in");
    else
        session_refuse(session, 535, "5.7.8", "the name or the password is wrong");
}

static void succeed(struct session *session, const char *mechanism, const char *name)
{
    session->user = memory_copy(name, strlen(name));
    session->mechanism = mechanism;
    session_trust(session);
    log_event("-", "signed-in", "client", session->client, "helo", session->helo, "auth", mechanism,
              "user", name, NULL);
    session_reply(session, 235, "2.7.0", "signed in");
}

/* heard: clock_ms of the client's last word. */
static void conclude(struct session *session, const struct sasl_server *server,
                     const char *mechanism, enum sasl_answer answer, int64_t heard)
{
    const char *reason = sasl_server_reason(server)->reason;
    char *name = shown_name(server);
    switch (answer) {
    case SASL_ACCEPTED:
        succeed(session, mechanism, sasl_server_user(server));
        break;
    case SASL_CANCELLED:
        session_refuse(session, 501, "5.7.0", "cancelled");
        break;
    case SASL_GARBLED:
        session_refuse(session, 501, "5.5.2", "this is no base64");
        break;
    case SASL_TOO_LONG:
        session_refuse(session, 500, "5.5.6", "the message is too long");
        break;
    case SASL_TROUBLE:
        log_failure(session, mechanism, name, reason);
        session_refuse(session, 454, "4.7.0", "nobody can sign in now, try again later");
        break;
    default:
        log_failure(session, mechanism, name, reason);
        fail(session, heard);
    }
    free(name);
}

/* ---- the dialogue ---- */

/* A challenge may be longer than other replies. */
static void put_challenge(struct session *session, const struct buffer *challenge)
{
    buffer_append_text(&session->output, "334 ");
    buffer_append(&session->output, buffer_text(challenge), challenge->length);
    buffer_append_text(&session->output, "\r\n");
}

static void converse(struct session *session, struct sasl_server *server, const char *mechanism,
                     const char *message)
{
    struct buffer challenge = {0}, line = {0};
    int64_t heard = clock_ms();
    enum sasl_answer answer = sasl_server_step(server, message, &challenge);
    while (answer == SASL_CHALLENGE) {
        put_challenge(session, &challenge);
        if (!session_read_line(session, &line))
            break;
        heard = clock_ms();
        buffer_clear(&challenge);
        answer = sasl_server_step(server, buffer_text(&line), &challenge);
    }
    if (answer != SASL_CHALLENGE)
        conclude(session, server, mechanism, answer, heard);
    buffer_free(&challenge);
    buffer_wipe(&line);
}

static void sign_in(struct session *session, const char *mechanism, const char *message)
{
    struct auth *auth = &session->auth;
    const struct sasl_book book = {users_check_password, users_find_verifier, &auth->users};
    struct sasl_server *server = NULL;
    struct outcome outcome = auth->trouble;
    memory_wipe_freed(); /* libgsasl and GnuTLS give their copies of passwords back as they are */
    if (outcome_good(&outcome))
        outcome = sasl_server_start(&server, mechanism, &book);
    if (outcome_good(&outcome)) {
        converse(session, server, mechanism, message);
    } else {
        log_failure(session, mechanism, "", outcome.reason);
        session_refuse(session, 454, "4.7.0", "nobody can sign in now, try again later");
    }
    sasl_server_free(server);
    stream_forget(&session->stream);
}

void verb_auth(struct session *session, char *argument)
{
    if (!may_try(session))
        return;
    size_t length = strlen(argument), word = strcspn(argument, " ");
    char *message = argument[word] ? argument + word + 1 : NULL;
    argument[word] = '\0';
    const char *mechanism = sasl_server_find(argument);
    bool offered = mechanism && strstr(auth_offer(session), mechanism);
    if (message)
        message += strspn(message, " ");
    if (!*argument || (message && strchr(message, ' ')))
        session_refuse(session, 501, "5.5.4", "AUTH wants a mechanism, and maybe a first message");
    else if (!offered)
        session_refuse(session, 504, "5.5.4", "there is no such mechanism here");
    else
        sign_in(session, mechanism, message);
    memory_wipe(argument, length);
}

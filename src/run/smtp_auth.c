/*
 * AUTH (RFC 4954). The secret goes out inside verified TLS, or to loopback where the settings say
 * "off"; nothing else is ever tried, and never is the work done without signing in.
 */
#include "run/smtp_greeting.h"

#include <string.h>

#include "base/text.h"
#include "net/sasl.h"

/* RFC 5321 4.5.3.1.4: what is longer waits for a 334. */
enum { LONGEST_COMMAND = 510 };

bool smtp_wants_auth(const struct smtp_hop *hop)
{
    if (hop->auth == AUTH_OFF)
        return false;
    /* A mechanism that is named is wanted; without a user it then says what is missing. */
    return hop->auth != AUTH_AUTO || (hop->user && *hop->user);
}

struct outcome smtp_choose(const struct smtp_session *session, const char **mechanism)
{
    const struct smtp_hop *hop = session->hop;
    bool loopback = session->target->tls == TLS_OFF && session->loopback;
    if (!session->stream.tls && !loopback)
        return outcome_later("4.7.11", "not signing in to %s: the connection is not encrypted",
                             session->host);
    const char *offered = buffer_text(&session->offer.auth);
    /* An opportunistic hop takes any certificate: who listens may be the one who showed it. */
    bool private = loopback || (session->stream.tls && hop->tls != TLS_OPPORTUNISTIC);
    *mechanism = sasl_choose(offered, hop->auth, private);
    if (*mechanism)
        return outcome_done();
    if (!*offered)
        return outcome_later("4.7.4", "%s does not offer AUTH, but there is a user to sign in as",
                             session->host);
    return outcome_later("4.7.4", "%s offers AUTH with none of the mechanisms wanted, only with %s",
                         session->host, offered);
}

/* The first line; the initial response comes along when the mechanism has one that fits. */
static void put_auth(struct smtp_session *session, const char *mechanism, struct buffer *initial,
                     bool has_initial)
{
    struct buffer line = {0}, shown = {0};
    buffer_format(&line, "AUTH %s", mechanism);
    buffer_format(&shown, "AUTH %s", mechanism);
    if (has_initial) {
        buffer_format(&line, " %s", initial->length ? buffer_text(initial) : "=");
        buffer_append_text(&shown, " ****");
        buffer_wipe(initial);
    }
    smtp_put_secret(session, buffer_text(&line), buffer_text(&shown));
    buffer_wipe(&line);
    buffer_free(&shown);
}

/* Sends the line that was put, and leaves no copy of it. */
static struct outcome exchange(struct smtp_session *session)
{
    struct outcome outcome = smtp_flush(session, LIMIT_COMMAND);
    buffer_wipe(&session->out);
    return outcome_good(&outcome) ? smtp_read(session, LIMIT_COMMAND, "after AUTH") : outcome;
}

static struct outcome cancel(struct smtp_session *session, const char *mechanism)
{
    smtp_put(session, "*");
    struct outcome outcome = smtp_ask(session, LIMIT_COMMAND, "after AUTH was cancelled");
    return outcome_good(&outcome)
               ? outcome_later("4.7.0", "%s sent a challenge that makes no sense for AUTH %s",
                               session->host, mechanism)
               : outcome;
}

static struct outcome refused(struct smtp_session *session, const char *mechanism)
{
    struct buffer text = {0};
    reply_format(&session->reply, &text);
    const struct reply *reply = &session->reply;
    const char *user = session->hop->user ? session->hop->user : "";
    const char *status = reply->code / 100 == 5 ? "4.7.8"
                         : *reply->status       ? reply->status
                                                : "4.7.0";
    struct outcome outcome =
        outcome_later(status, "%s did not let %s sign in with %s: %s", session->host,
                      *user ? user : "this client", mechanism, buffer_text(&text));
    buffer_free(&text);
    return outcome;
}

static const char *challenge_of(const struct reply *reply, struct buffer *challenge)
{
    size_t length;
    const char *text = reply_line(reply, 0, &length);
    buffer_clear(challenge);
    if (text)
        buffer_append(challenge, text, length);
    return buffer_text(challenge);
}

static struct outcome converse(struct smtp_session *session, struct sasl *sasl,
                               const char *mechanism)
{
    struct buffer message = {0}, challenge = {0};
    if (sasl_begins(sasl) && !sasl_step(sasl, NULL, &message))
        return outcome_later("4.3.5", "%s cannot be done with this user and password", mechanism);
    /* The first message, until the server asks for it. */
    bool held = strlen(mechanism) + message.length + strlen("AUTH  ") > LONGEST_COMMAND;
    put_auth(session, mechanism, &message, sasl_begins(sasl) && !held);
    struct outcome outcome = exchange(session);
    while (outcome_good(&outcome) && session->reply.code == 334) {
        if (!held && !sasl_step(sasl, challenge_of(&session->reply, &challenge), &message)) {
            outcome = cancel(session, mechanism);
            break;
        }
        held = false;
        smtp_put_secret(session, buffer_text(&message), "****");
        buffer_wipe(&message);
        outcome = exchange(session);
    }
    buffer_wipe(&message);
    buffer_free(&challenge);
    return outcome;
}

struct outcome smtp_sign_in(struct smtp_session *session)
{
    const struct smtp_hop *hop = session->hop;
    const char *mechanism = NULL;
    struct outcome outcome = smtp_choose(session, &mechanism);
    if (!outcome_good(&outcome))
        return outcome;
    if (hop->renew)
        outcome = hop->renew(hop->renew_context, hop->secret);
    if (!outcome_good(&outcome))
        return outcome;
    struct sasl_account account = {hop->user, hop->secret, session->host, session->target->port};
    struct sasl *sasl;
    outcome = sasl_start(&sasl, mechanism, &account);
    if (!outcome_good(&outcome))
        return outcome;
    outcome = converse(session, sasl, mechanism);
    bool proven = sasl_is_complete(sasl);
    sasl_free(sasl);
    if (!outcome_good(&outcome))
        return outcome;
    if (session->reply.code / 100 == 3)
        return smtp_misplaced(session, "after AUTH");
    if (session->reply.code / 100 != 2)
        return refused(session, mechanism);
    if (!proven)
        return outcome_later("4.7.0",
                             "%s let us in without proving that it knows the password (%s)",
                             session->host, mechanism);
    return outcome;
}

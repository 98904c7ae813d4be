/*
 * SASL for a server. Mechanisms: RFC 4616 (PLAIN), 5802 and 7677 (SCRAM-SHA-256), and LOGIN as its
 * users have it. All that libgsasl asks for comes from the caller's book; an authorization id other
 * than the name that signs in is refused, for nobody acts for another here. Knows nothing of SMTP's
 * lines and replies, of files, or of how passwords are stored.
 */
#include "net/sasl_server.h"

#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "net/sasl_text.h"

enum { STEPS = 6, MESSAGE_LONGEST = 12288 /* RFC 4954 section 4 */ };

static const struct mechanism {
    const char *name;
    bool client_first; /* its first message can go along with AUTH, or is asked for by "" */
} mechanisms[] = {{"SCRAM-SHA-256", true}, {"PLAIN", true}, {"LOGIN", false}};

struct sasl_server {
    const struct mechanism *mechanism;
    const struct sasl_book *book;
    Gsasl *library;
    Gsasl_session *session;
    struct sasl_verifier verifier;
    struct outcome found; /* what the book said */
    char *user;
    unsigned steps;
    bool asked;   /* the book was */
    bool proving; /* the client is in; he has our proof, and has to say that he got it */
};

static const struct mechanism *find_mechanism(const char *name)
{
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++)
        if (text_equal(mechanisms[i].name, name))
            return &mechanisms[i];
    return NULL;
}

const char *sasl_server_find(const char *mechanism)
{
    const struct mechanism *found = find_mechanism(mechanism);
    return found ? found->name : NULL;
}

/* ---- what libgsasl asks ---- */

static char *prepare(const char *text)
{
    struct buffer prepared = {0};
    buffer_append_text(&prepared, "");
    if (!sasl_prepare(text, false, &prepared))
        buffer_append_text(&prepared, text);
    return buffer_take(&prepared);
}

static void wipe_text(char *text)
{
    memory_wipe(text, strlen(text));
    free(text);
}

/* The name stands in the client's first message. */
static void take_user(struct sasl_server *server)
{
    const char *name = gsasl_property_fast(server->session, GSASL_AUTHID);
    free(server->user);
    server->user = prepare(name ? name : "");
}

/* PLAIN puts the name itself in the place of an empty authorization id. */
static bool acts_as_himself(const struct sasl_server *server)
{
    const char *other = gsasl_property_fast(server->session, GSASL_AUTHZID);
    if (!other || !*other)
        return true;
    char *prepared = prepare(other);
    bool same = strcmp(prepared, server->user) == 0;
    free(prepared);
    return same;
}

static int check_password(struct sasl_server *server)
{
    const struct sasl_book *book = server->book;
    const char *password = gsasl_property_fast(server->session, GSASL_PASSWORD);
    take_user(server);
    char *prepared = prepare(password ? password : "");
    server->asked = true;
    server->found = book->check_password(book->context, server->user, prepared);
    wipe_text(prepared);
    return outcome_good(&server->found) ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

/* What belongs to the name, looked up once. */
static int give_verifier(struct sasl_server *server, Gsasl_property property)
{
    struct sasl_verifier *verifier = &server->verifier;
    if (!server->asked) {
        take_user(server);
        server->asked = true;
        server->found = server->book->find_verifier(server->book->context, server->user, verifier);
    }
    char digits[16];
    snprintf(digits, sizeof digits, "%u", verifier->iterations);
    const char *value = property == GSASL_SCRAM_ITER        ? digits
                        : property == GSASL_SCRAM_SALT      ? verifier->salt
                        : property == GSASL_SCRAM_STOREDKEY ? verifier->stored_key
                                                            : verifier->server_key;
    return gsasl_property_set(server->session, property, value);
}

static int answer_library(Gsasl *library, Gsasl_session *session, Gsasl_property property)
{
    struct sasl_server *server = gsasl_session_hook_get(session);
    (void)library;
    switch (property) {
    case GSASL_VALIDATE_SIMPLE:
        return check_password(server);
    case GSASL_SCRAM_ITER:
    case GSASL_SCRAM_SALT:
    case GSASL_SCRAM_STOREDKEY:
    case GSASL_SCRAM_SERVERKEY:
        return give_verifier(server, property);
    default:
        return GSASL_NO_CALLBACK;
    }
}

/* ---- the exchange ---- */

struct outcome sasl_server_start(struct sasl_server **made, const char *mechanism,
                                 const struct sasl_book *book)
{
    struct sasl_server *server = memory_get(sizeof *server);
    server->mechanism = find_mechanism(mechanism);
    server->book = book;
    server->found = outcome_never("5.7.8", "the messages make no sense");
    server->user = memory_copy("", 0);
    if (!server->mechanism)
        impossible("an unknown SASL mechanism");
    if (gsasl_init(&server->library) != GSASL_OK ||
        gsasl_server_start(server->library, server->mechanism->name, &server->session) !=
            GSASL_OK) {
        sasl_server_free(server);
        *made = NULL;
        return outcome_later("4.7.0", "libgsasl cannot do %s", mechanism);
    }
    gsasl_callback_set(server->library, answer_library);
    gsasl_session_hook_set(server->session, server);
    *made = server;
    return outcome_done();
}

static enum sasl_answer refuse(struct sasl_server *server, const char *why)
{
    server->found = outcome_never("5.7.8", "%s", why);
    return SASL_REFUSED;
}

/* What libgsasl's consent is worth, and with it whether the client waits for a proof of ours. */
static enum sasl_answer conclude(struct sasl_server *server, size_t proof)
{
    if (!server->asked || !outcome_good(&server->found))
        return SASL_REFUSED;
    if (!acts_as_himself(server))
        return refuse(server, "he wants to act for another");
    server->proving = proof > 0;
    return server->proving ? SASL_CHALLENGE : SASL_ACCEPTED;
}

static enum sasl_answer step(struct sasl_server *server, const char *data, size_t length,
                             struct buffer *challenge)
{
    char *output = NULL;
    size_t size = 0;
    int result = gsasl_step(server->session, data, length, &output, &size);
    enum sasl_answer answer = SASL_REFUSED;
    if (server->asked && server->found.result == LATER)
        answer = SASL_TROUBLE;
    else if (result == GSASL_NEEDS_MORE)
        answer = SASL_CHALLENGE;
    else if (result == GSASL_OK)
        answer = conclude(server, size);
    else if (result == GSASL_AUTHENTICATION_ERROR && outcome_good(&server->found))
        answer = refuse(server, "the password is wrong");
    else if (outcome_good(&server->found))
        answer = refuse(server, "the messages make no sense");
    if (answer == SASL_CHALLENGE)
        sasl_put_base64(output ? output : "", size, challenge);
    gsasl_free(output);
    return answer;
}

/* Before the client has said anything. */
static enum sasl_answer begin(struct sasl_server *server, struct buffer *challenge)
{
    return server->mechanism->client_first ? SASL_CHALLENGE : step(server, NULL, 0, challenge);
}

/* An answer to a question that was not asked aloud: the name along with AUTH LOGIN. */
static enum sasl_answer skip_question(struct sasl_server *server)
{
    struct buffer question = {0};
    enum sasl_answer answer = begin(server, &question);
    buffer_free(&question);
    return answer;
}

/* Whether the first message of SCRAM wants what the -PLUS mechanisms are for (RFC 5802 section 6):
 * libgsasl would find out at the end only, or not at all. */
static bool binds_channel(const struct sasl_server *server, const char *data)
{
    return strcmp(server->mechanism->name, "SCRAM-SHA-256") == 0 && !server->asked && *data == 'p';
}

enum sasl_answer sasl_server_step(struct sasl_server *server, const char *message,
                                  struct buffer *challenge)
{
    bool first = server->steps++ == 0;
    if (first && !message)
        return begin(server, challenge);
    if (strlen(message) > MESSAGE_LONGEST)
        return SASL_TOO_LONG;
    if (strcmp(message, "*") == 0)
        return SASL_CANCELLED;
    if (first && skip_question(server) != SASL_CHALLENGE)
        return refuse(server, "the mechanism has no beginning");
    if (first && strcmp(message, "=") == 0)
        message = "";
    if (server->proving)
        return *message ? refuse(server, "the last message is not empty") : SASL_ACCEPTED;
    if (server->steps > STEPS)
        return refuse(server, "there are too many messages");
    char *data = NULL;
    size_t length = 0;
    if (gsasl_base64_from(message, strlen(message), &data, &length) != GSASL_OK)
        return SASL_GARBLED;
    enum sasl_answer answer;
    if (length == 0) /* libgsasl would think that nobody has spoken yet, and ask again */
        answer = refuse(server, "a message is empty");
    else if (binds_channel(server, data))
        answer = refuse(server, "a channel binding was not offered");
    else
        answer = step(server, data, length, challenge);
    memory_wipe(data, length);
    gsasl_free(data);
    return answer;
}

const struct outcome *sasl_server_reason(const struct sasl_server *server)
{
    return &server->found;
}

const char *sasl_server_user(const struct sasl_server *server)
{
    return server->user;
}

void sasl_server_free(struct sasl_server *server)
{
    if (!server)
        return;
    if (server->session)
        gsasl_finish(server->session);
    if (server->library)
        gsasl_done(server->library);
    free(server->user);
    memory_wipe(server, sizeof *server);
    free(server);
}

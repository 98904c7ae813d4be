/*
 * SASL. Mechanisms: RFC 4616 (PLAIN), 2195 (CRAM-MD5), 5802 and 7677 (SCRAM), 4422 (EXTERNAL), 7628
 * (OAUTHBEARER), and XOAUTH2 and LOGIN as their users have them. Knows nothing of SMTP's lines.
 */
#include "net/sasl.h"

#include <gsasl.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "net/sasl_text.h"

enum { CHALLENGES = 10, CHALLENGE_SIZE = 16384 };

/* The strongest first. */
static const struct mechanism {
    const char *name;
    enum auth_mode mode;
    bool automatic; /* AUTH_AUTO may take it */
    bool shows;     /* the secret to everybody who listens */
    bool begins;    /* the client speaks first */
    bool bearer;    /* done here, not by libgsasl */
} mechanisms[] = {
    {"SCRAM-SHA-256", AUTH_SCRAM_SHA_256, true, false, true, false},
    {"SCRAM-SHA-1", AUTH_AUTO, true, false, true, false},
    {"CRAM-MD5", AUTH_CRAM_MD5, true, false, false, false},
    {"PLAIN", AUTH_PLAIN, true, true, true, false},
    {"LOGIN", AUTH_LOGIN, true, true, false, false},
    {"EXTERNAL", AUTH_EXTERNAL, false, false, true, false},
    {"OAUTHBEARER", AUTH_OAUTHBEARER, false, true, true, true},
    {"XOAUTH2", AUTH_XOAUTH2, false, true, true, true},
};

struct sasl {
    const struct mechanism *mechanism;
    struct sasl_account account;
    Gsasl *library;
    Gsasl_session *session;
    unsigned steps;
    bool complete;
};

static bool is_offered(const char *offered, const char *name)
{
    size_t length = strlen(name);
    while (*offered) {
        size_t word = strcspn(offered, " ");
        if (word == length && text_starts(offered, name))
            return true;
        offered += word + strspn(offered + word, " ");
    }
    return false;
}

const char *sasl_choose(const char *offered, enum auth_mode mode, bool private)
{
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        const struct mechanism *mechanism = &mechanisms[i];
        bool wanted = mode == AUTH_AUTO ? mechanism->automatic : mechanism->mode == mode;
        if (wanted && (private || !mechanism->shows) && is_offered(offered, mechanism->name))
            return mechanism->name;
    }
    return NULL;
}

static bool start_library(struct sasl *sasl)
{
    if (gsasl_init(&sasl->library) != GSASL_OK ||
        gsasl_client_start(sasl->library, sasl->mechanism->name, &sasl->session) != GSASL_OK)
        return false;
    if (sasl->mechanism->mode == AUTH_EXTERNAL)
        return gsasl_property_set(sasl->session, GSASL_AUTHZID,
                                  sasl->account.user ? sasl->account.user : "") == GSASL_OK;
    return gsasl_property_set(sasl->session, GSASL_AUTHID, sasl->account.user) == GSASL_OK &&
           gsasl_property_set_raw(sasl->session, GSASL_PASSWORD, sasl->account.secret->data,
                                  sasl->account.secret->length) == GSASL_OK;
}

struct outcome sasl_start(struct sasl **made, const char *name, const struct sasl_account *account)
{
    *made = NULL;
    struct sasl *sasl = memory_get(sizeof *sasl);
    sasl->account = *account;
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++)
        if (strcmp(mechanisms[i].name, name) == 0)
            sasl->mechanism = &mechanisms[i];
    if (!sasl->mechanism)
        impossible("an unknown SASL mechanism");
    struct outcome outcome = outcome_done();
    bool external = sasl->mechanism->mode == AUTH_EXTERNAL;
    if (!external && (!account->user || !*account->user))
        outcome =
            outcome_later("4.3.5", "there is no user name to sign in to %s with", account->host);
    else if (!external && (!account->secret || !account->secret->length))
        outcome =
            outcome_later("4.3.5", "there is no password to sign in to %s with", account->host);
    else if (!sasl->mechanism->bearer && !start_library(sasl))
        outcome = outcome_later("4.3.5", "libgsasl cannot do %s", name);
    if (outcome_good(&outcome))
        *made = sasl;
    else
        sasl_free(sasl);
    return outcome;
}

bool sasl_begins(const struct sasl *sasl)
{
    return sasl->mechanism->begins;
}

/* A name in a GS2 header (RFC 5801 section 4). */
static void put_gs2_name(const char *name, struct buffer *plain)
{
    for (; *name; name++) {
        if (*name == ',')
            buffer_append_text(plain, "=2C");
        else if (*name == '=')
            buffer_append_text(plain, "=3D");
        else
            buffer_append_byte(plain, *name);
    }
}

/* The first message carries the token; what is asked then says why it was refused, and is answered
 * so that the server can end with its 5yz. */
static bool bearer_step(struct sasl *sasl, struct buffer *message)
{
    const struct sasl_account *account = &sasl->account;
    bool xoauth2 = sasl->mechanism->mode == AUTH_XOAUTH2;
    /* So large at once that no copy of the token is left behind by growing. */
    struct buffer plain = {.capacity = 3 * strlen(account->user) + strlen(account->host) +
                                       account->secret->length + 128};
    plain.data = memory_get(plain.capacity);
    if (sasl->steps == 1 && xoauth2) {
        buffer_format(&plain, "user=%s\001auth=Bearer ", account->user);
    } else if (sasl->steps == 1) {
        buffer_append_text(&plain, "n,a=");
        put_gs2_name(account->user, &plain);
        buffer_format(&plain, ",\001host=%s\001port=%u\001auth=Bearer ", account->host,
                      account->port);
    } else if (!xoauth2) {
        buffer_append_byte(&plain, '\001');
    }
    if (sasl->steps == 1) {
        buffer_append(&plain, account->secret->data, account->secret->length);
        buffer_append_text(&plain, "\001\001");
    }
    sasl->complete = sasl->steps == 1;
    bool good = sasl->steps <= 2;
    if (good)
        sasl_put_base64(buffer_text(&plain), plain.length, message);
    buffer_wipe(&plain);
    return good;
}

bool sasl_step(struct sasl *sasl, const char *challenge, struct buffer *message)
{
    if (sasl->complete && !sasl->mechanism->bearer)
        return false;
    if (++sasl->steps > CHALLENGES || (challenge && strlen(challenge) > CHALLENGE_SIZE))
        return false;
    if (sasl->mechanism->bearer)
        return bearer_step(sasl, message);
    char *output = NULL;
    int result = gsasl_step64(sasl->session, challenge ? challenge : "", &output);
    if (result != GSASL_OK && result != GSASL_NEEDS_MORE)
        return false;
    sasl->complete = result == GSASL_OK;
    if (output) {
        buffer_append_text(message, output);
        memory_wipe(output, strlen(output));
        gsasl_free(output);
    }
    return true;
}

bool sasl_is_complete(const struct sasl *sasl)
{
    return sasl->complete;
}

void sasl_free(struct sasl *sasl)
{
    if (!sasl)
        return;
    if (sasl->session)
        gsasl_finish(sasl->session);
    if (sasl->library)
        gsasl_done(sasl->library);
    free(sasl);
}

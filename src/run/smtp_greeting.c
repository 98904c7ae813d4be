/* The beginning of a session. It never sends a message, nor a secret (smtp_auth.c does that). */
#include "run/smtp_greeting.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "net/tls_client.h"

/* "RCPTMAX=100 MAILMAX=5" (RFC 9422 section 4). */
static void parse_limits(char *words, struct smtp_offer *offer)
{
    char *rest = words;
    for (char *word; (word = strsep(&rest, " "));) {
        if (text_starts(word, "RCPTMAX="))
            (void)text_to_number(word + 8, 1, UINT32_MAX, &offer->most_recipients);
        else if (text_starts(word, "MAILMAX="))
            (void)text_to_number(word + 8, 1, UINT32_MAX, &offer->most_mails);
    }
}

static void add_mechanisms(struct smtp_offer *offer, const char *names)
{
    if (offer->auth.length)
        buffer_append_byte(&offer->auth, ' ');
    buffer_append_text(&offer->auth, names);
}

static void parse_keyword(char *line, struct smtp_offer *offer)
{
    char *words = line;
    const char *keyword = strsep(&words, " ");
    if (text_equal(keyword, "STARTTLS")) {
        offer->starttls = true;
    } else if (text_equal(keyword, "PIPELINING")) {
        offer->pipelining = true;
    } else if (text_equal(keyword, "8BITMIME")) {
        offer->eight_bit = true;
    } else if (text_equal(keyword, "SMTPUTF8")) {
        offer->smtputf8 = true;
    } else if (text_equal(keyword, "DSN")) {
        offer->dsn = true;
    } else if (text_equal(keyword, "CHUNKING")) {
        offer->chunking = true;
    } else if (text_equal(keyword, "ENHANCEDSTATUSCODES")) {
        offer->enhanced_codes = true;
    } else if (text_equal(keyword, "SIZE")) {
        offer->size = true;
        if (words)
            (void)text_to_number(words, 0, UINT64_MAX, &offer->most_bytes);
    } else if (text_equal(keyword, "LIMITS") && words) {
        parse_limits(words, offer);
    } else if (text_equal(keyword, "AUTH") && words) {
        add_mechanisms(offer, words);
    } else if (text_starts(keyword, "AUTH=")) {
        /* As servers had it before RFC 2554. */
        add_mechanisms(offer, keyword + 5);
        if (words)
            add_mechanisms(offer, words);
    }
}

void smtp_offer_parse(const struct reply *reply, struct smtp_offer *offer)
{
    buffer_clear(&offer->auth);
    *offer = (struct smtp_offer){.auth = offer->auth};
    const char *text;
    size_t length;
    for (size_t i = 1; (text = reply_line(reply, i, &length)); i++) {
        char *line = memory_copy(text, length);
        text_tame(line, length);
        parse_keyword(text_trim(line), offer);
        free(line);
    }
}

/* Whether the hop can be spoken to without any extension. LMTP knows no HELO (RFC 2033 4.1). */
static bool is_plain(const struct smtp_session *session)
{
    enum tls_mode tls = session->target->tls;
    return !session->target->socket && !smtp_wants_auth(session->hop) &&
           (session->stream.tls || tls == TLS_OFF || tls == TLS_OPPORTUNISTIC);
}

static struct outcome say_hello(struct smtp_session *session)
{
    const char *when = session->target->socket ? "after LHLO" : "after EHLO";
    smtp_put(session, "%s %s", session->target->socket ? "LHLO" : "EHLO", session->hop->hostname);
    struct outcome outcome = smtp_ask(session, LIMIT_COMMAND, when);
    if (!outcome_good(&outcome))
        return outcome;
    smtp_offer_parse(&session->reply, &session->offer);
    int class = session->reply.code / 100;
    if (class == 3)
        return smtp_misplaced(session, when);
    if (class == 2)
        return outcome;
    smtp_offer_parse(&(struct reply){0}, &session->offer);
    if (class == 4 || !is_plain(session))
        return reply_later(&session->reply, session->host, when, NULL);
    smtp_put(session, "HELO %s", session->hop->hostname);
    outcome = smtp_ask(session, LIMIT_COMMAND, "after HELO");
    if (!outcome_good(&outcome))
        return outcome;
    class = session->reply.code / 100;
    if (class == 3)
        return smtp_misplaced(session, "after HELO");
    return class == 2 ? outcome : reply_later(&session->reply, session->host, "after HELO", NULL);
}

static struct tls_wish wish_for(const struct smtp_hop *hop)
{
    return (struct tls_wish){.verify = hop->tls != TLS_OPPORTUNISTIC,
                             .trust = hop->tls_trust,
                             .fingerprint = hop->tls_fingerprint,
                             .certificate = hop->tls_certificate,
                             .key = hop->tls_key};
}

void smtp_load(const struct smtp_hop *hop)
{
    struct tls_wish wish = wish_for(hop);
    if (hop->tls != TLS_OFF && !hop->socket)
        (void)tls_load(&wish); /* tls_connect says it again */
}

static struct outcome shake_hands(struct smtp_session *session)
{
    struct tls_wish wish = wish_for(session->hop);
    wish.host = session->target->certificate_name;
    wish.also = session->target->other_name;
    struct tls *tls;
    stream_allow(&session->stream, smtp_milliseconds(session, LIMIT_TLS));
    struct outcome outcome = tls_connect(&tls, session->stream.fd, &wish, session->stream.deadline);
    if (!outcome_good(&outcome)) {
        session->dead = true;
        if (text_equal(session->host, wish.host))
            return outcome;
        return outcome_later(outcome.status, "%s, found by srv:%s: %s", session->host, wish.host,
                             outcome.reason);
    }
    stream_secure(&session->stream, tls);
    struct buffer words = {0};
    tls_describe(tls, &words);
    smtp_trace(session, '*', buffer_text(&words));
    buffer_free(&words);
    return outcome;
}

/* DONE without TLS only for an opportunistic hop. */
static struct outcome start_tls(struct smtp_session *session, enum smtp_stage *stage)
{
    bool optional = session->target->tls == TLS_OPPORTUNISTIC;
    if (!session->offer.starttls)
        return optional ? outcome_done()
                        : outcome_later("4.7.4", "%s does not offer STARTTLS, which is required",
                                        session->host);
    smtp_put(session, "STARTTLS");
    struct outcome outcome = smtp_ask(session, LIMIT_COMMAND, "after STARTTLS");
    if (!outcome_good(&outcome))
        return outcome;
    if (session->reply.code / 100 == 3)
        return smtp_misplaced(session, "after STARTTLS");
    if (session->reply.code / 100 != 2)
        return optional ? outcome_done()
                        : reply_later(&session->reply, session->host, "after STARTTLS", NULL);
    if (stream_waiting(&session->stream) && session->stream.start < session->stream.end) {
        /* What stands behind the 220 was said by nobody we can know (CVE-2011-0411). */
        session->dead = true;
        return outcome_later("4.7.5", "%s sent bytes in clear behind its reply to STARTTLS",
                             session->host);
    }
    *stage = STAGE_TLS;
    outcome = shake_hands(session);
    /* Nothing said in clear counts any more (RFC 3207 4.2). */
    return outcome_good(&outcome) ? say_hello(session) : outcome;
}

/* Whether the greeting names this host, at an address of this machine: a relay of others, such as a
 * tunnel on loopback, has another name. */
static bool is_ourselves(const struct smtp_session *session)
{
    size_t length;
    const char *text = reply_line(&session->reply, 0, &length);
    if (!session->leads_here || !text)
        return false;
    char *line = memory_copy(text, length);
    line[strcspn(line, " \t\r")] = '\0';
    bool ours = text_equal(line, session->hop->hostname);
    free(line);
    return ours;
}

static struct outcome hear_greeting(struct smtp_session *session)
{
    struct outcome outcome = smtp_read(session, LIMIT_GREETING, "as its greeting");
    if (!outcome_good(&outcome))
        return outcome;
    if (session->reply.code / 100 == 3)
        return smtp_misplaced(session, "as its greeting");
    if (session->reply.code / 100 != 2)
        return reply_later(&session->reply, session->host, "as its greeting", NULL);
    if (is_ourselves(session))
        return outcome_never("5.4.6", "the next hop is this very host: %s, port %u, greets as %s",
                             session->host, session->target->port, session->hop->hostname);
    return outcome;
}

struct outcome smtp_greet(struct smtp_session *session, bool encrypt, enum smtp_stage *stage)
{
    enum tls_mode mode = session->target->tls;
    struct outcome outcome = outcome_done();
    *stage = STAGE_GREETING;
    if (mode == TLS_IMPLICIT) {
        *stage = STAGE_TLS;
        outcome = shake_hands(session);
        if (outcome_good(&outcome))
            *stage = STAGE_GREETING;
    }
    if (outcome_good(&outcome))
        outcome = hear_greeting(session);
    if (outcome_good(&outcome))
        outcome = say_hello(session);
    if (outcome_good(&outcome) && (mode == TLS_STARTTLS || (mode == TLS_OPPORTUNISTIC && encrypt)))
        outcome = start_tls(session, stage);
    if (outcome_good(&outcome) && smtp_wants_auth(session->hop)) {
        *stage = STAGE_AUTH;
        outcome = smtp_sign_in(session);
    }
    if (outcome_good(&outcome))
        *stage = STAGE_READY;
    return outcome;
}

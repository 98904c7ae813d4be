/*
 * The SMTP client as the queue run sees it: which host, which address, how often. What is said on a
 * connection is the matter of smtp_greeting.c and smtp_round.c. It never decides what happens to a
 * recipient.
 */
#include "run/smtp.h"

#include <netdb.h>
#include <stdlib.h>

#include "net/dial.h"
#include "run/smtp_greeting.h"
#include "run/smtp_round.h"
#include "run/smtp_session.h"

/* One of the hop's hosts, taken apart. */
struct target {
    const struct smtp_hop *hop;
    char *host;
    unsigned port;
};

static void trace_connected(const struct smtp_session *session, const struct sockaddr *address)
{
    struct buffer words = {0};
    buffer_format(&words, "connected to %s, address ", session->host);
    dial_format(address, &words);
    smtp_trace(session, '*', buffer_text(&words));
    buffer_free(&words);
}

static void trace_outcome(const struct smtp_hop *hop, const struct outcome *outcome)
{
    if (hop->trace)
        hop->trace(hop->trace_context, '*', outcome->reason);
}

/* One connection to one address, up to where MAIL can be said. */
static struct outcome open_once(const struct target *target, const struct addrinfo *address,
                                bool encrypt, struct smtp_session *session, enum smtp_stage *stage)
{
    *session = (struct smtp_session){.hop = target->hop,
                                     .host = target->host,
                                     .port = target->port,
                                     .loopback = dial_is_loopback(address->ai_addr)};
    *stage = STAGE_CONNECT;
    int fd;
    struct outcome outcome =
        dial_connect(address, target->host, (int)smtp_milliseconds(session, LIMIT_CONNECT), &fd);
    if (!outcome_good(&outcome))
        return outcome;
    stream_open(&session->stream, fd);
    trace_connected(session, address->ai_addr);
    outcome = smtp_greet(session, encrypt, stage);
    if (!outcome_good(&outcome))
        smtp_close(session);
    return outcome;
}

static struct outcome open_address(const struct target *target, const struct addrinfo *address,
                                   struct smtp_session *session, enum smtp_stage *stage)
{
    struct outcome outcome = open_once(target, address, true, session, stage);
    if (outcome_good(&outcome))
        return outcome;
    trace_outcome(target->hop, &outcome);
    if (target->hop->tls != TLS_OPPORTUNISTIC || *stage != STAGE_TLS)
        return outcome;
    /* It offered TLS and could not do it: better in clear than not at all, says the hop. */
    outcome = open_once(target, address, false, session, stage);
    if (!outcome_good(&outcome))
        trace_outcome(target->hop, &outcome);
    return outcome;
}

static struct outcome open_host(const struct target *target, struct smtp_session *session,
                                enum smtp_stage *stage)
{
    struct addrinfo *addresses;
    *stage = STAGE_CONNECT;
    struct outcome outcome = dial_resolve(target->host, target->port, &addresses);
    if (!outcome_good(&outcome)) {
        trace_outcome(target->hop, &outcome);
        return outcome;
    }
    for (const struct addrinfo *address = addresses; address; address = address->ai_next) {
        outcome = open_address(target, address, session, stage);
        /* A wrong certificate or password stays wrong at the host's other addresses. */
        if (outcome_good(&outcome) || *stage > STAGE_GREETING)
            break;
    }
    freeaddrinfo(addresses);
    return outcome;
}

/*
 * The first host that works, beginning with *first, which becomes the one that did; target->host is
 * the caller's then. Else the reason of the host that came furthest.
 */
static struct outcome open_hop(const struct smtp_hop *hop, size_t *first, struct target *target,
                               struct smtp_session *session)
{
    struct outcome worst = outcome_later("4.3.5", "there is no host to send to");
    enum smtp_stage furthest = STAGE_CONNECT;
    for (size_t i = 0; i < hop->hosts->count; i++) {
        size_t index = (*first + i) % hop->hosts->count;
        enum smtp_stage stage = STAGE_CONNECT;
        struct outcome outcome;
        *target = (struct target){.hop = hop};
        if (dial_parse(hop->hosts->items[index], hop->port, &target->host, &target->port))
            outcome = open_host(target, session, &stage);
        else
            outcome = outcome_later("4.3.5", "\"%s\" is no host, host:port or [address]:port",
                                    hop->hosts->items[index]);
        if (outcome_good(&outcome)) {
            *first = index;
            return outcome;
        }
        free(target->host);
        if (i == 0 || stage > furthest) {
            worst = outcome;
            furthest = stage;
        }
    }
    return worst;
}

struct outcome smtp_deliver(const struct smtp_hop *hop, const struct smtp_source *source,
                            size_t *transactions)
{
    struct smtp_mail *carried = NULL;
    struct outcome outcome;
    size_t first = 0;
    *transactions = 0;
    do {
        struct target target;
        struct smtp_session session;
        outcome = open_hop(hop, &first, &target, &session);
        if (!outcome_good(&outcome)) {
            if (carried) {
                smtp_mail_settle_all(carried, STATE_WAITING, &outcome);
                smtp_mail_finish(carried, source);
            }
            return outcome;
        }
        outcome = smtp_run(&session, source, &carried, transactions);
        if (!outcome_good(&outcome))
            trace_outcome(hop, &outcome);
        smtp_close(&session);
        free(target.host);
    } while (carried);
    return outcome;
}

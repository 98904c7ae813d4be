/*
 * The SMTP client as the queue run sees it: which host, which address, how often. What is said on a
 * connection is the matter of smtp_open.c and smtp_run.c. It never decides what happens to a
 * recipient.
 */
#include "run/smtp.h"

#include <netdb.h>

#include "net/dial.h"
#include "run/smtp_hosts.h"
#include "run/smtp_open.h"
#include "run/smtp_run.h"
#include "run/smtp_session.h"

enum { IDLE_SESSIONS = 3 /* in a row: there is no use in going on */ };

static void trace_outcome(const struct smtp_hop *hop, const struct outcome *outcome)
{
    if (hop->trace)
        hop->trace(hop->trace_context, '*', outcome->reason);
}

static struct outcome open_or_close(const struct smtp_hop *hop, const struct smtp_target *target,
                                    const struct addrinfo *address, struct smtp_session *session,
                                    enum smtp_stage *stage)
{
    struct outcome outcome = smtp_open(hop, target, address, session, stage);
    if (!outcome_good(&outcome)) {
        smtp_close(session);
        trace_outcome(hop, &outcome);
    }
    return outcome;
}

static struct outcome open_host(const struct smtp_hop *hop, const struct smtp_target *target,
                                struct smtp_session *session, enum smtp_stage *stage)
{
    struct addrinfo *addresses;
    *stage = STAGE_CONNECT;
    if (target->socket)
        return open_or_close(hop, target, NULL, session, stage);
    struct outcome outcome = dial_resolve(target->host, target->port, target->absolute, &addresses);
    if (!outcome_good(&outcome)) {
        trace_outcome(hop, &outcome);
        return outcome;
    }
    struct outcome worst = outcome;
    enum smtp_stage furthest = STAGE_CONNECT;
    for (const struct addrinfo *address = addresses; address; address = address->ai_next) {
        enum smtp_stage now;
        outcome = open_or_close(hop, target, address, session, &now);
        bool final = smtp_is_final(&outcome, now);
        if (address == addresses || now > furthest || final) {
            worst = outcome;
            furthest = now;
        }
        if (final)
            break;
    }
    freeaddrinfo(addresses);
    *stage = furthest;
    return worst;
}

/*
 * The first host that works, beginning with *first, which becomes the one that did. Else the reason
 * of the host that came furthest; NEVER when it turns out to be ourselves.
 */
static struct outcome open_hop(const struct smtp_hop *hop, const struct smtp_targets *targets,
                               size_t *first, struct smtp_session *session)
{
    struct outcome worst = outcome_done();
    enum smtp_stage furthest = STAGE_CONNECT;
    for (size_t i = 0; i < targets->count; i++) {
        size_t index = (*first + i) % targets->count;
        enum smtp_stage stage;
        struct outcome outcome = open_host(hop, &targets->items[index], session, &stage);
        if (outcome.result != LATER) {
            *first = index;
            return outcome;
        }
        if (i == 0 || stage > furthest) {
            worst = outcome;
            furthest = stage;
        }
    }
    /* What is wrong with the settings or the DNS is worth more words than a host that is down. */
    return outcome_good(&targets->problem) || furthest > STAGE_CONNECT ? worst : targets->problem;
}

/* Session after session, while each leaves messages that the next one may take. */
static struct outcome deliver(const struct smtp_hop *hop, const struct smtp_targets *targets,
                              const struct smtp_source *source, size_t *transactions)
{
    struct smtp_mail *carried = NULL;
    size_t first = 0;
    unsigned idle = 0;
    for (;;) {
        struct smtp_session session;
        bool worked = false;
        struct outcome outcome = open_hop(hop, targets, &first, &session);
        bool is_open = outcome_good(&outcome);
        if (is_open) {
            outcome = smtp_run(&session, source, &carried, transactions);
            if (!outcome_good(&outcome))
                trace_outcome(hop, &outcome);
            smtp_close(&session);
            worked = session.rounds;
        }
        idle = worked ? 0 : idle + 1;
        if (is_open && carried && idle < IDLE_SESSIONS)
            continue;
        for (struct smtp_mail *mail; (mail = smtp_mail_pop(&carried));)
            smtp_mail_put_off(mail, source, &outcome);
        return outcome;
    }
}

struct smtp_hop smtp_hop_of(const struct smarthost *peer, const char *hostname)
{
    bool nobody = !(peer->user && *peer->user) && peer->auth != AUTH_EXTERNAL;
    return (struct smtp_hop){.hostname = hostname,
                             .hosts = &peer->hosts,
                             .port = peer->port,
                             .tls = peer->tls,
                             .tls_trust = peer->tls_trust,
                             .tls_fingerprint = peer->tls_fingerprint,
                             .tls_certificate = peer->tls_certificate,
                             .tls_key = peer->tls_key,
                             .auth = nobody ? AUTH_OFF : peer->auth,
                             .user = peer->user};
}

struct outcome smtp_deliver(const struct smtp_hop *hop, const struct smtp_source *source,
                            size_t *transactions)
{
    *transactions = 0;
    struct smtp_targets targets;
    struct outcome outcome = smtp_targets_find(hop, &targets);
    if (outcome_good(&outcome))
        outcome = deliver(hop, &targets, source, transactions);
    else
        trace_outcome(hop, &outcome);
    smtp_targets_free(&targets);
    return outcome;
}

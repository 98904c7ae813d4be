/*
 * From an address to a session. Which addresses there are, and what is said in a session, is for
 * others to know. RFC 3207, 7435.
 */
#include "run/smtp_open.h"

#include <string.h>

#include "net/dial.h"

static void trace_connected(const struct smtp_session *session, const struct addrinfo *address)
{
    struct buffer words = {0};
    buffer_format(&words, "connected to %s", session->host);
    if (address) {
        buffer_append_text(&words, ", address ");
        dial_format(address->ai_addr, &words);
    }
    smtp_trace(session, '*', buffer_text(&words));
    buffer_free(&words);
}

static struct outcome open_once(const struct smtp_hop *hop, const struct smtp_target *target,
                                const struct addrinfo *address, bool encrypt,
                                struct smtp_session *session, enum smtp_stage *stage)
{
    *session = (struct smtp_session){.hop = hop,
                                     .target = target,
                                     .host = target->host,
                                     .loopback = !address || dial_is_loopback(address->ai_addr)};
    *stage = STAGE_CONNECT;
    int fd, limit = (int)smtp_milliseconds(session, LIMIT_CONNECT);
    struct outcome outcome = address ? dial_connect(address, target->host, limit, &fd)
                                     : dial_connect_local(target->host, limit, &fd);
    if (!outcome_good(&outcome)) {
        session->dead = true;
        return outcome;
    }
    stream_open(&session->stream, fd);
    session->leads_here = address && dial_leads_here(fd);
    trace_connected(session, address);
    return smtp_greet(session, encrypt, stage);
}

struct outcome smtp_open(const struct smtp_hop *hop, const struct smtp_target *target,
                         const struct addrinfo *address, struct smtp_session *session,
                         enum smtp_stage *stage)
{
    struct outcome outcome = open_once(hop, target, address, true, session, stage);
    if (outcome_good(&outcome) || target->tls != TLS_OPPORTUNISTIC || *stage != STAGE_TLS)
        return outcome;
    smtp_close(session);
    smtp_trace(session, '*', outcome.reason);
    /* It offered TLS and could not do it: better in clear than not at all, says the hop. */
    return open_once(hop, target, address, false, session, stage);
}

bool smtp_is_final(const struct outcome *outcome, enum smtp_stage stage)
{
    return outcome->result != LATER || stage >= STAGE_AUTH ||
           (stage == STAGE_TLS && strncmp(outcome->status, "4.7.", 4) == 0);
}

/*
 * Remedies (see check_remedy.h). The reasons are those that the client itself gives; where it has
 * but words, they are told apart by the words of net/tls_trust.c and net/tls.c.
 */
#include "run/check_remedy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "config/provider.h"
#include "mail/date.h"

void remedy_set(const struct smarthost_question *question, struct findings *findings,
                const char *format, ...)
{
    va_list arguments;
    char *words = NULL;
    va_start(arguments, format);
    if (vasprintf(&words, format, arguments) < 0)
        impossible("a remedy that cannot be formatted");
    va_end(arguments);
    finding_remedy(findings, "in %s of %s: %s", question->section,
                   settings_file(question->settings), words);
    free(words);
}

void remedy_name(const struct smarthost_question *question, const char *host,
                 struct findings *findings)
{
    remedy_set(question, findings,
               "look at the spelling of %s; when no other name is found either, mend the name "
               "servers in /etc/resolv.conf",
               host);
}

void remedy_connect(const struct smarthost_question *question, unsigned port, unsigned answers,
                    struct findings *findings)
{
    if (answers)
        remedy_set(question, findings, "port = %u%s, for somebody answers there", answers,
                   answers == 465 ? " and tls = implicit" : "");
    else if (port == 25)
        remedy_set(question, findings,
                   "port = 587, or port = 465 and tls = implicit: most clouds block outgoing "
                   "connections to port 25");
    else
        remedy_set(question, findings,
                   "look at host and port; none of the ports 587, 465 and 2525 answers there from "
                   "this machine, so look at its firewall as well");
}

void remedy_greeting(const struct smarthost_question *question, const struct smtp_session *session,
                     const struct outcome *outcome, struct findings *findings)
{
    bool implicit = session->target->tls == TLS_IMPLICIT;
    if (outcome->result == NEVER)
        remedy_set(question, findings, "host has to be another machine than this one");
    else if (session->reply.code / 100 == 5)
        finding_remedy(findings, "it does not want this machine as a client: ask whoever runs it");
    else if (session->reply.code / 100 == 4)
        finding_remedy(findings, "it may be a passing trouble of its own: check again later");
    else if (session->reply.code / 100 == 2 && strstr(outcome->reason, "STARTTLS"))
        remedy_set(
            question, findings,
            "port = 465 and tls = implicit, if it has that; without TLS no password is sent, "
            "and no mail unless tls = opportunistic");
    else if (!implicit)
        remedy_set(question, findings,
                   "tls = implicit, if port %u expects TLS from the first byte; else ask whoever "
                   "runs it",
                   session->target->port);
    else
        finding_remedy(findings, "ask whoever runs it");
}

/* A certificate that is not valid at this time: one of the two clocks is wrong. */
static void remedy_time(const struct smtp_session *session, bool expired, struct findings *findings)
{
    struct buffer now = {0};
    date_format(clock_now(), &now);
    if (expired)
        finding_remedy(findings,
                       "whoever runs %s has to renew it, unless the clock of this machine is "
                       "wrong: it says %s",
                       session->host, buffer_text(&now));
    else
        finding_remedy(findings,
                       "set the clock of this machine, which says %s, as with timedatectl "
                       "set-ntp true",
                       buffer_text(&now));
    buffer_free(&now);
}

void remedy_tls(const struct smarthost_question *question, const struct smtp_session *session,
                const struct outcome *outcome, struct findings *findings)
{
    const char *reason = outcome->reason;
    if (strstr(reason, "not yet valid"))
        remedy_time(session, false, findings);
    else if (strstr(reason, "expired"))
        remedy_time(session, true, findings);
    else if (strstr(reason, "wrong name"))
        remedy_set(question, findings, "host has to be a name that its certificate is for");
    else if (strstr(reason, "not tls_fingerprint"))
        remedy_set(question, findings,
                   "ask whoever runs it whether the certificate is a new one; if so, that is its "
                   "tls_fingerprint");
    else if (strstr(reason, "unknown issuer") || strstr(reason, "self-signed"))
        remedy_set(question, findings,
                   "tls_trust = FILE with the certificate of its authority, if it has one of its "
                   "own; else see that ca-certificates is installed and up to date");
    else if (strstr(reason, "tls_trust") || strstr(reason, "tls_certificate"))
        remedy_set(question, findings, "name a PEM file that the user %s can read", POSTRIDER_USER);
    else if (session->target->tls == TLS_IMPLICIT)
        remedy_set(question, findings, "tls = starttls, if port %u begins in clear",
                   session->target->port);
    else
        finding_remedy(findings, "ask whoever runs %s for TLS 1.2 and a good certificate",
                       session->host);
}

/* ---- signing in ---- */

static void remedy_refused(const struct smarthost_question *question,
                           const struct smtp_session *session, struct findings *findings)
{
    char *path = settings_credentials_path(question->settings);
    const struct provider *provider = provider_of_host(session->host);
    if (session->hop->auth == AUTH_XOAUTH2 || session->hop->auth == AUTH_OAUTHBEARER)
        finding_remedy(findings,
                       "a token lasts for a short time: password_command has to print a fresh one");
    else if (provider)
        finding_remedy(
            findings,
            "%s wants as user: %s, as password: %s; run postrider setup %s, or mend user "
            "in %s and password in %s",
            provider->title, provider->user_is, provider->password_is, provider->name,
            settings_file(question->settings), path);
    else
        finding_remedy(findings, "mend user in %s or password in %s, both under %s",
                       settings_file(question->settings), path, question->section);
    free(path);
}

void remedy_sign_in(const struct smarthost_question *question, const struct smtp_session *session,
                    struct findings *findings)
{
    const char *offered = buffer_text(&session->offer.auth);
    switch (session->reply.code) {
    case 535:
        remedy_refused(question, session, findings);
        break;
    case 534:
        remedy_set(question, findings,
                   "use a password that the provider makes for programs (an app password), or "
                   "another mechanism: auth = one of %s",
                   offered);
        break;
    case 538:
        remedy_set(question, findings, "tls = starttls, or tls = implicit with its port");
        break;
    case 432:
        remedy_set(question, findings, "auth = plain, once: its list of passwords is being moved");
        break;
    case 421:
    case 454:
        finding_remedy(findings, "a passing trouble of the server's own: check again later");
        break;
    default:
        if (session->reply.code / 100 == 5)
            remedy_set(question, findings, "auth = another of %s", offered);
        else if (session->reply.code / 100 == 4)
            finding_remedy(findings, "it may be a passing trouble of its own: check again later");
        else if (!*offered)
            remedy_set(question, findings,
                       "port = 587, where there is AUTH, or leave user out if it knows this "
                       "machine by its address");
        else
            remedy_set(question, findings, "auth = auto takes the best of %s", offered);
    }
}

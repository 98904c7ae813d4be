/* See smarthosts.h. No name is resolved here and no password is read. */
#include "check/smarthosts.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "config/smarthost.h"
#include "mail/address.h"
#include "route/route.h"

static const char topic[] = "smarthost";

/* ---- is there a way at all? ---- */

/* Where mail goes that no setting names: for a domain that nobody has, by an ordinary sender. */
static void find_usual_way(const struct settings *settings, struct next_hop *next)
{
    struct address recipient = {"somebody", "elsewhere.invalid"};
    struct address sender = {"nobody-in-particular", settings->domain};
    route_find(settings, &recipient, &sender, false, next);
}

/* Whether a route for all mail leaves none for the default smarthost. */
static bool is_passed_by(const struct settings *settings, const struct next_hop *next)
{
    const struct smarthost *usual = settings_smarthost(settings, "");
    bool used = !next->route || strcmp(next->route->pattern, "*") != 0 || next->peer == usual;
    for (size_t i = 0; i < settings->route_count && !used; i++)
        used = settings->routes[i].via == VIA_SMARTHOST && !*settings->routes[i].argument;
    return usual && !used;
}

static void say_stranded(const struct settings *settings, size_t stranded,
                         struct findings *findings)
{
    const bool some = settings->smarthost_count > 0;
    enum finding_mark mark = stranded ? FINDING_FAULT : FINDING_WARNING;
    if (stranded)
        finding_add(findings, mark, topic,
                    "%zu message%s for other machines wait%s, for there is no [smarthost]%s in %s",
                    stranded, stranded == 1 ? "" : "s", stranded == 1 ? "s" : "",
                    some ? " for their senders" : "", settings_file(settings));
    else
        finding_add(findings, mark, topic,
                    "there is no [smarthost]%s in %s: mail for other machines stays in the queue",
                    some ? " for senders that no section names" : "", settings_file(settings));
    if (mark == FINDING_FAULT || !some)
        finding_remedy(findings,
                       "postrider setup; or, if mail is not to leave this machine: [route \"*\"] "
                       "with via = error TEXT");
    else
        finding_remedy(findings, "add a section [smarthost], without a name");
}

static void say_passed_by(struct findings *findings)
{
    finding_add(findings, FINDING_WARNING, topic,
                "no mail goes by [smarthost]: [route \"*\"] leads all of it elsewhere");
    finding_remedy(findings, "take out [route \"*\"], or else [smarthost]");
}

static void check_way(const struct settings *settings, size_t stranded, struct findings *findings)
{
    struct next_hop next;
    find_usual_way(settings, &next);
    const enum way way = next.way;
    if (way == WAY_NONE || stranded)
        say_stranded(settings, stranded, findings);
    else if (way == WAY_HOLD || way == WAY_DISCARD || way == WAY_ERROR)
        finding_add(findings, FINDING_HINT, topic,
                    "mail for other machines does not leave this one: the settings say that it is "
                    "%s",
                    way == WAY_HOLD      ? "held"
                    : way == WAY_DISCARD ? "thrown away"
                                         : "refused");
    else if (is_passed_by(settings, &next))
        say_passed_by(findings);
    else if (way == WAY_MX)
        finding_add(findings, FINDING_GOOD, topic,
                    "mail for other machines goes straight to the mail servers of its domains");
}

/* ---- each of them ---- */

static void describe(const struct smarthost *smarthost, struct buffer *words)
{
    static const char *const protections[] = {[TLS_STARTTLS] = "over TLS (STARTTLS)",
                                              [TLS_IMPLICIT] = "over TLS",
                                              [TLS_OPPORTUNISTIC] = "over TLS where it has that",
                                              [TLS_OFF] = "in clear"};
    for (size_t i = 0; i < smarthost->hosts.count; i++)
        buffer_format(words, "%s%s", i ? ", " : "", smarthost->hosts.items[i]);
    buffer_format(words, " %s", protections[smarthost->tls]);
    if (*smarthost->user && smarthost_signs_in(smarthost))
        buffer_format(words, ", as %s", smarthost->user);
}

static void check_protection(const struct smarthost *smarthost, const char *heading,
                             struct findings *findings)
{
    const bool near = smarthost_is_near(smarthost);
    if (smarthost->tls == TLS_OFF && !near) {
        finding_add(findings, FINDING_WARNING, topic,
                    "%s: mail goes in clear over the network, for all on the way to read", heading);
        finding_remedy(findings, "tls = starttls, if it has that");
    } else if (smarthost->tls == TLS_OFF && smarthost_signs_in(smarthost)) {
        finding_add(findings, FINDING_HINT, topic,
                    "%s: the password goes in clear, if only within this machine", heading);
    } else if (smarthost->tls == TLS_OPPORTUNISTIC && !near) {
        finding_add(findings, FINDING_HINT, topic,
                    "%s: tls = opportunistic takes any certificate, and goes without TLS where "
                    "none is offered",
                    heading);
        finding_remedy(findings, "tls = starttls, if it has a certificate in its name");
    }
}

static void check_sign_in(const struct smarthost *smarthost, const char *heading,
                          struct findings *findings)
{
    if (*smarthost->user && smarthost->auth == AUTH_OFF) {
        finding_add(findings, FINDING_WARNING, topic,
                    "%s: user is set, but with auth = off nobody signs in", heading);
        finding_remedy(findings, "take out auth = off, or user");
    } else if (!smarthost_signs_in(smarthost) && !*smarthost->tls_certificate &&
               !smarthost_is_near(smarthost)) {
        finding_add(findings, FINDING_HINT, topic,
                    "%s: nobody signs in, as there is no user: it has to know this machine by its "
                    "address",
                    heading);
    }
}

static void check_one(const struct smarthost *smarthost, struct findings *findings)
{
    char *heading = smarthost_heading(smarthost);
    struct buffer words = {0};
    describe(smarthost, &words);
    finding_add(findings, FINDING_GOOD, topic, "%s: %s", heading, buffer_text(&words));
    check_protection(smarthost, heading, findings);
    check_sign_in(smarthost, heading, findings);
    buffer_free(&words);
    free(heading);
}

void check_smarthosts(const struct settings *settings, size_t stranded, struct findings *findings)
{
    for (size_t i = 0; i < settings->smarthost_count; i++)
        check_one(&settings->smarthosts[i], findings);
    check_way(settings, stranded, findings);
}

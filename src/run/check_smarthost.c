/*
 * One host of a smarthost, as a delivery would find it. It goes as far as a session in which MAIL
 * could be said, and leaves. RFC 1870, 4954, 8314.
 */
#include "run/check_smarthost.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/credentials.h"
#include "config/paths.h"
#include "mail/date.h"
#include "net/dial.h"
#include "net/tls_client.h"
#include "run/check_remedy.h"
#include "run/confine.h"
#include "run/smtp_open.h"

enum {
    MOST_TARGETS = 8, /* of a SRV or MX record */
    PROBE_MS = 1500,
    PROBES_MS = 5000, /* kept for them */
    MOST_SECRET = 65536,
    SLOW_MS = 2000,   /* an address that takes so long to fail holds mail up */
    WARN_DAYS = 14,   /* before a certificate ends */
    CLOCK_SLACK = 300 /* seconds */
};

struct look {
    const struct smarthost_question *question;
    struct smtp_hop hop;
    struct findings *findings;
    const struct smtp_target *target;
    struct buffer name; /* of the target, for words */
    bool greeted;       /* the first line of the session is known */
    time_t server_time; /* that it gave; 0: none */
    bool works;         /* one of the targets does */
    bool lacks_secret;  /* so that signing in is not tried */
};

/* ---- words ---- */

static const char *topic_of(const struct look *look)
{
    return look->question->is_route ? "route" : "smarthost";
}

static enum finding_mark mark_of(const struct look *look, enum finding_mark mark)
{
    return look->question->is_route && mark > FINDING_HINT ? FINDING_HINT : mark;
}

static void name_target(struct look *look)
{
    const struct smtp_target *target = look->target;
    buffer_clear(&look->name);
    if (look->question->is_route || *look->question->peer->name)
        buffer_format(&look->name, "%s: ", look->question->section);
    if (target->socket)
        buffer_append_text(&look->name, target->host);
    else
        buffer_format(&look->name, strchr(target->host, ':') ? "[%s]:%u" : "%s:%u", target->host,
                      target->port);
}

/* "50M", or in the next smaller unit that has no fraction, rounded down. */
static void format_size(uint64_t bytes, struct buffer *text)
{
    if (bytes >= 10 << 20 || bytes % (1 << 20) == 0)
        buffer_format(text, "%" PRIu64 "M", bytes >> 20);
    else if (bytes >= 10 << 10)
        buffer_format(text, "%" PRIu64 "K", bytes >> 10);
    else
        buffer_format(text, "%" PRIu64, bytes);
}

/* ---- the clock ---- */

/* Many servers say in their greeting what time it is. */
static void watch(void *context, char direction, const char *line)
{
    struct look *look = context;
    if (direction != '<' || look->greeted)
        return;
    look->greeted = true;
    if (!date_find(line, &look->server_time))
        look->server_time = 0;
}

static void tell_clock(struct look *look)
{
    char words[32];
    time_t now = clock_now(), there = look->server_time;
    uint64_t apart = (uint64_t)llabs((long long)(now - there));
    if (!there || apart <= CLOCK_SLACK)
        return;
    finding_add(look->findings, mark_of(look, FINDING_WARNING), "clock",
                "the clock of this machine is %s %s that of %s",
                text_from_seconds((apart + 30) / 60 * 60, words, sizeof words), /* to the minute */
                now > there ? "ahead of" : "behind", buffer_text(&look->name));
    finding_remedy(look->findings, "set it, as with timedatectl set-ntp true");
}

/* ---- what a session shows ---- */

static void add_distance(const struct smtp_session *session, struct buffer *text)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    if (getsockopt(session->stream.fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_rtt)
        buffer_format(text, ", %u.%u ms away", info.tcpi_rtt / 1000, info.tcpi_rtt / 100 % 10);
}

static void tell_certificate(const struct look *look, const struct tls *tls)
{
    time_t end = tls_server_ends(tls), now = clock_now();
    long long days = (long long)(end - now) / 86400;
    if (!end || days >= WARN_DAYS)
        return;
    finding_add(look->findings, mark_of(look, FINDING_WARNING), topic_of(look),
                "%s: its certificate ends in %lld day%s", buffer_text(&look->name), days,
                days == 1 ? "" : "s");
    finding_remedy(look->findings, "whoever runs it has to renew it by then");
}

/* How mail goes there, and how well it is kept from others. */
static void tell_connection(const struct look *look, const struct smtp_session *session,
                            const struct addrinfo *address)
{
    struct buffer text = {0};
    const struct tls *tls = session->stream.tls;
    bool is_private = tls || session->loopback;
    buffer_append_text(&text, buffer_text(&look->name));
    if (address) {
        buffer_append_text(&text, " (");
        dial_format(address->ai_addr, &text);
        add_distance(session, &text);
        buffer_append_byte(&text, ')');
    }
    buffer_append_text(&text, ": ");
    if (tls)
        tls_describe(tls, &text);
    else
        buffer_append_text(&text, is_private ? "in clear, within this machine" : "in clear");
    if (tls && tls_server_ends(tls) > clock_now())
        buffer_format(&text, ", valid for %lld days",
                      (long long)(tls_server_ends(tls) - clock_now()) / 86400);
    /* What tls = off means check/smarthosts.c says. */
    bool fell_back = !is_private && look->hop.tls == TLS_OPPORTUNISTIC;
    finding_add(look->findings, fell_back ? mark_of(look, FINDING_WARNING) : FINDING_GOOD,
                topic_of(look), "%s", buffer_text(&text));
    if (fell_back)
        finding_remedy(look->findings, "have whoever runs it offer STARTTLS");
    if (tls)
        tell_certificate(look, tls);
    buffer_free(&text);
}

static void tell_offer(const struct look *look, const struct smtp_session *session)
{
    const struct smtp_offer *offer = &session->offer;
    const struct {
        bool there;
        const char *name;
    } extensions[] = {{offer->pipelining, "PIPELINING"},
                      {offer->eight_bit, "8BITMIME"},
                      {offer->smtputf8, "SMTPUTF8"},
                      {offer->dsn, "DSN"},
                      {offer->chunking, "CHUNKING"}};
    struct buffer size = {0}, list = {0};
    uint64_t most = look->question->settings->max_message_size;
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        if (extensions[i].there)
            buffer_format(&list, "%s%s", list.length ? " " : "", extensions[i].name);
    if (offer->most_bytes)
        format_size(offer->most_bytes, &size);
    finding_add(look->findings, FINDING_GOOD, topic_of(look), "%s takes messages of %s%s; %s",
                buffer_text(&look->name), size.length ? "up to " : "any size", buffer_text(&size),
                list.length ? buffer_text(&list) : "no extensions");
    if (offer->most_bytes && offer->most_bytes < most) {
        struct buffer ours = {0};
        format_size(most, &ours);
        finding_add(look->findings, FINDING_HINT, topic_of(look),
                    "%s takes messages of up to %s, max_message_size is %s: what is larger comes "
                    "back to its sender",
                    buffer_text(&look->name), buffer_text(&size), buffer_text(&ours));
        if (!look->question->is_route)
            finding_remedy(look->findings,
                           "max_message_size = %s in [mail] refuses it when it is submitted",
                           buffer_text(&size));
        buffer_free(&ours);
    }
    buffer_free(&size);
    buffer_free(&list);
}

static void tell_sign_in(const struct look *look, const struct smtp_session *session,
                         const struct outcome *outcome)
{
    const char *offered = buffer_text(&session->offer.auth), *user = look->hop.user;
    const char *mechanism = NULL;
    if (!outcome_good(outcome)) {
        finding_add(look->findings, mark_of(look, FINDING_FAULT), "sign-in", "%s: %s",
                    buffer_text(&look->name), outcome->reason);
        remedy_sign_in(look->question, session, look->findings);
        return;
    }
    if (!smtp_wants_auth(&look->hop)) {
        if (!*offered || look->question->is_route || look->lacks_secret ||
            look->question->peer->auth == AUTH_OFF)
            return;
        finding_add(look->findings, FINDING_HINT, "sign-in",
                    "%s offers to sign in by %s, and there is no user", buffer_text(&look->name),
                    offered);
        remedy_set(look->question, look->findings,
                   "user, and its password in credentials.conf, unless it takes mail from this "
                   "machine anyway");
        return;
    }
    struct outcome chosen = smtp_choose(session, &mechanism);
    if (outcome_good(&chosen))
        finding_add(look->findings, FINDING_GOOD, "sign-in", "%s: signed in%s%s by %s, of %s",
                    buffer_text(&look->name), user && *user ? " as " : "", user ? user : "",
                    mechanism, offered);
}

/* ---- one host ---- */

/* The try that came furthest. */
struct tried {
    struct smtp_session session;
    const struct addrinfo *address;
    struct outcome outcome;
    enum smtp_stage stage;
};

static void tell_slow(const struct look *look, const struct addrinfo *address, int64_t took)
{
    struct buffer text = {0};
    if (took < SLOW_MS)
        return;
    dial_format(address->ai_addr, &text);
    finding_add(look->findings, mark_of(look, FINDING_WARNING), topic_of(look),
                "%s: nothing came of its address %s in %lld seconds: mail waits for that each time",
                buffer_text(&look->name), buffer_text(&text), (long long)took / 1000);
    finding_remedy(look->findings,
                   "look at the firewall; for an IPv6 address at whether this machine has IPv6");
    buffer_free(&text);
}

/* As open_host of smtp.c. */
static void try_addresses(const struct look *look, const struct addrinfo *addresses,
                          struct tried *best)
{
    const struct addrinfo *address = addresses;
    bool first = true, last = false;
    while (!last && (address || first)) {
        struct tried now = {.address = address};
        int64_t began = clock_ms();
        now.outcome = smtp_open(&look->hop, look->target, address, &now.session, &now.stage);
        last = smtp_is_final(&now.outcome, now.stage);
        address = address ? address->ai_next : NULL;
        if (!last && address)
            tell_slow(look, now.address, clock_ms() - began);
        if (first || last || now.stage > best->stage) {
            if (!first)
                smtp_close(&best->session);
            *best = now;
        } else {
            smtp_close(&now.session);
        }
        first = false;
    }
}

/* Another port of submission where somebody answers; 0: nobody. */
static unsigned probe(const struct look *look, const struct addrinfo *address)
{
    static const unsigned ports[] = {587, 465, 2525};
    struct sockaddr_storage place;
    struct addrinfo other = *address;
    memcpy(&place, address->ai_addr, address->ai_addrlen);
    other.ai_addr = (struct sockaddr *)&place;
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        int64_t left = look->question->deadline - clock_ms();
        int fd;
        if (ports[i] == look->target->port || left <= 0)
            continue;
        if (place.ss_family == AF_INET6)
            ((struct sockaddr_in6 *)&place)->sin6_port = htons((uint16_t)ports[i]);
        else
            ((struct sockaddr_in *)&place)->sin_port = htons((uint16_t)ports[i]);
        struct outcome outcome =
            dial_connect(&other, look->target->host, left < PROBE_MS ? (int)left : PROBE_MS, &fd);
        if (outcome_good(&outcome)) {
            file_close(&fd);
            return ports[i];
        }
    }
    return 0;
}

static void tell_failure(struct look *look, const struct tried *tried)
{
    const struct smarthost_question *question = look->question;
    const struct smtp_session *session = &tried->session;
    finding_add(look->findings, mark_of(look, FINDING_FAULT), topic_of(look), "%s: %s",
                buffer_text(&look->name), tried->outcome.reason);
    if (tried->stage == STAGE_TLS)
        remedy_tls(question, session, &tried->outcome, look->findings);
    else if (tried->stage == STAGE_GREETING)
        remedy_greeting(question, session, &tried->outcome, look->findings);
    else if (tried->address && !question->is_route)
        remedy_connect(question, look->target->port, probe(look, tried->address), look->findings);
}

static void look_at_target(struct look *look)
{
    struct addrinfo *addresses = NULL;
    struct tried best = {0};
    const struct smtp_target *target = look->target;
    struct outcome outcome = outcome_done();
    name_target(look);
    if (!target->socket)
        outcome = dial_resolve(target->host, target->port, target->absolute, &addresses);
    if (!outcome_good(&outcome)) {
        finding_add(look->findings, mark_of(look, FINDING_FAULT), topic_of(look), "%s: %s",
                    buffer_text(&look->name), outcome.reason);
        remedy_name(look->question, target->host, look->findings);
        return;
    }
    look->greeted = false;
    look->server_time = 0;
    try_addresses(look, addresses, &best);
    look->works = look->works || outcome_good(&best.outcome);
    if (best.stage >= STAGE_AUTH) {
        tell_connection(look, &best.session, best.address);
        tell_offer(look, &best.session);
        tell_sign_in(look, &best.session, &best.outcome);
    } else {
        tell_failure(look, &best);
    }
    tell_clock(look);
    smtp_close(&best.session);
    if (addresses)
        freeaddrinfo(addresses);
}

/* ---- the whole ---- */

/* Whether this is a user who looks at an installation whose secrets are not for him. */
static bool is_outsider(const struct settings *settings, const char *path)
{
    bool installed = strcmp(settings_file(settings), POSTRIDER_CONFIG) == 0;
    const struct passwd *user = installed ? getpwnam(POSTRIDER_USER) : NULL;
    return user && user->pw_uid != geteuid() && access(path, R_OK) < 0 && errno == EACCES;
}

/*
 * Without a secret the rest can still be looked at. That one is not in its file, check_secrets.c
 * says; what a command prints only this tells.
 */
static void find_secret(struct look *look, struct buffer *secret)
{
    const struct smarthost_question *question = look->question;
    char *path = settings_credentials_path(question->settings);
    struct outcome outcome = credentials_find(question->peer, path, secret);
    look->hop.secret = secret;
    look->lacks_secret = !outcome_good(&outcome);
    if (look->lacks_secret && is_outsider(question->settings, path)) {
        finding_add(look->findings, FINDING_HINT, "sign-in",
                    "%s: whether %s lets us sign in is not known, for %s is not yours to read",
                    question->section, question->host, path);
        finding_remedy(look->findings, "ask as root");
    } else if (look->lacks_secret && *question->peer->password_command) {
        finding_add(look->findings, FINDING_FAULT, "sign-in", "%s: %s", question->section,
                    outcome.reason);
        finding_remedy(look->findings, "mend password_command, or what it runs");
    }
    if (look->lacks_secret)
        look->hop.auth = AUTH_OFF;
    free(path);
}

static void look_at_targets(struct look *look)
{
    struct smtp_targets targets;
    struct outcome outcome = smtp_targets_find(&look->hop, &targets);
    for (size_t i = 0; outcome_good(&outcome) && i < targets.count && i < MOST_TARGETS; i++) {
        look->target = &targets.items[i];
        look_at_target(look);
    }
    if (!outcome_good(&outcome)) {
        finding_add(look->findings, mark_of(look, FINDING_FAULT), topic_of(look), "%s: %s",
                    look->question->section, outcome.reason);
        remedy_set(look->question, look->findings,
                   "name a server instead of %s, or mend its records in the DNS",
                   look->question->domain ? look->question->domain : look->question->host);
    }
    look->target = NULL;
    smtp_targets_free(&targets);
    /* Mail goes by the one that does. */
    if (look->works && !look->lacks_secret)
        finding_soften(look->findings, FINDING_WARNING);
}

void check_smarthost(const void *context, struct findings *findings)
{
    const struct smarthost_question *question = context;
    struct look look = {.question = question, .findings = findings};
    struct buffer secret = {.limit = MOST_SECRET};
    struct texts hosts = {0};
    look.hop = smtp_hop_of(question->peer, question->settings->hostname);
    look.hop.domain = question->domain;
    look.hop.socket = question->socket;
    look.hop.deadline = question->deadline - PROBES_MS;
    look.hop.trace = watch;
    look.hop.trace_context = &look;
    if (question->host)
        texts_add(&hosts, question->host);
    look.hop.hosts = &hosts;
    if (question->socket)
        look.hop.auth = AUTH_OFF;
    if (look.hop.auth != AUTH_OFF && look.hop.auth != AUTH_EXTERNAL)
        find_secret(&look, &secret);
    struct outcome outcome = confine(NULL, &look.hop);
    if (outcome_good(&outcome))
        look_at_targets(&look);
    else
        finding_add(findings, FINDING_FAULT, "smarthost", "%s: %s", question->section,
                    outcome.reason);
    buffer_wipe(&secret);
    buffer_free(&look.name);
    texts_free(&hosts);
}

/* Smarthosts as a whole (see smarthost.h). */
#include "config/smarthost.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "config/host.h"

char *smarthost_heading(const struct smarthost *smarthost)
{
    struct buffer heading = {0};
    if (*smarthost->name)
        buffer_format(&heading, "[smarthost \"%s\"]", smarthost->name);
    else
        buffer_append_text(&heading, "[smarthost]");
    return buffer_take(&heading);
}

bool smarthost_is_near(const struct smarthost *smarthost)
{
    bool all = true;
    for (size_t i = 0; i < smarthost->hosts.count && all; i++) {
        struct host host;
        const char *why;
        all = host_parse(smarthost->hosts.items[i], &host, &why) && host_is_loopback(host.name);
        free(host.name);
    }
    return all;
}

bool smarthost_signs_in(const struct smarthost *smarthost)
{
    return smarthost->auth != AUTH_OFF && (*smarthost->user || smarthost->auth == AUTH_EXTERNAL);
}

/* What is wrong, and what to do; NULL: nothing. */
static const char *find_fault(const struct smarthost *smarthost)
{
    bool has_certificate = *smarthost->tls_certificate;
    if (smarthost->hosts.count == 0)
        return "it has no host: add \"host = ...\", or take the section out";
    if (text_equal(smarthost->name, "smarthost"))
        return "in the log and the queue this is the name of the default one: take another";
    if (!*smarthost->name && smarthost->senders.count)
        return "senders belong to a section with a name: [smarthost \"name\"]";
    if (has_certificate && !*smarthost->tls_key)
        return "tls_certificate needs tls_key";
    if (*smarthost->tls_key && !has_certificate)
        return "tls_key needs tls_certificate";
    if (smarthost->tls == TLS_OFF && smarthost_signs_in(smarthost) && !smarthost_is_near(smarthost))
        return "tls = off would send the password in clear: take tls = starttls or implicit, or "
               "hosts on loopback only";
    if (smarthost->tls == TLS_OFF && (has_certificate || *smarthost->tls_fingerprint))
        return "tls = off, yet tls_certificate or tls_fingerprint is set";
    if (smarthost->tls == TLS_OPPORTUNISTIC && smarthost_signs_in(smarthost))
        return "tls = opportunistic takes any certificate, and would give the password to anybody: "
               "take tls = starttls or implicit";
    if (smarthost->tls == TLS_OPPORTUNISTIC && *smarthost->tls_fingerprint)
        return "tls = opportunistic takes any certificate, yet tls_fingerprint is set";
    if (smarthost->auth == AUTH_EXTERNAL && !has_certificate)
        return "auth = external needs tls_certificate and tls_key";
    if (smarthost->auth != AUTH_AUTO && smarthost->auth != AUTH_OFF &&
        smarthost->auth != AUTH_EXTERNAL && !*smarthost->user)
        return "auth needs user";
    if (*smarthost->password_command && !*smarthost->user)
        return "password_command needs user";
    return NULL;
}

struct outcome smarthost_check(const struct smarthost *smarthost, const struct entry *place)
{
    const char *fault = find_fault(smarthost);
    if (!fault)
        return outcome_done();
    char *heading = smarthost_heading(smarthost);
    struct outcome outcome = reader_fault(place, "%s: %s", heading, fault);
    free(heading);
    return outcome;
}

static bool names_sender(const struct smarthost *smarthost, const char *sender)
{
    for (size_t i = 0; i < smarthost->senders.count; i++)
        if (text_equal(smarthost->senders.items[i], sender))
            return true;
    return false;
}

struct outcome smarthost_check_senders(const struct settings *settings, const struct entry *place)
{
    for (size_t i = 0; i < settings->smarthost_count; i++) {
        const struct smarthost *one = &settings->smarthosts[i];
        for (size_t k = 0; k < one->senders.count; k++)
            for (size_t j = i + 1; j < settings->smarthost_count; j++)
                if (names_sender(&settings->smarthosts[j], one->senders.items[k]))
                    return reader_fault(place, "sender %.200s is given to smarthost %s and to %s",
                                        one->senders.items[k], one->name,
                                        settings->smarthosts[j].name);
    }
    return outcome_done();
}

const struct smarthost *settings_smarthost(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->smarthost_count; i++)
        if (strcmp(settings->smarthosts[i].name, name) == 0)
            return &settings->smarthosts[i];
    return NULL;
}

static bool is_pattern_for(const struct smarthost *smarthost, const char *sender)
{
    for (size_t i = 0; i < smarthost->senders.count; i++)
        if (strchr(smarthost->senders.items[i], '*') &&
            text_match(smarthost->senders.items[i], sender))
            return true;
    return false;
}

const struct smarthost *settings_smarthost_for(const struct settings *settings,
                                               const char *sender_address)
{
    const char *at = strrchr(sender_address, '@');
    const char *names[] = {sender_address, at ? at : sender_address};
    for (size_t step = 0; step < 2; step++)
        for (size_t i = 0; i < settings->smarthost_count; i++)
            if (names_sender(&settings->smarthosts[i], names[step]))
                return &settings->smarthosts[i];
    for (size_t i = 0; i < settings->smarthost_count; i++)
        if (is_pattern_for(&settings->smarthosts[i], sender_address))
            return &settings->smarthosts[i];
    return settings_smarthost(settings, "");
}

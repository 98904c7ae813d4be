/* See explain_words.h. Alias files and settings are others' words: whoever prints these sentences
 * makes them fit for a terminal. */
#include "run/explain_words.h"

#include <stdlib.h>
#include <string.h>

#include "config/host.h"
#include "config/smarthost.h"

static const char *tls_words(enum tls_mode tls)
{
    switch (tls) {
    case TLS_OFF:
        return "in clear";
    case TLS_OPPORTUNISTIC:
        return "with TLS if it is offered";
    case TLS_STARTTLS:
        return "with STARTTLS";
    case TLS_IMPLICIT:
        break;
    }
    return "with TLS";
}

static void put_host(struct buffer *words, const char *text, unsigned port)
{
    struct host host;
    const char *why;
    if (!host_parse(text, &host, &why)) { /* srv: and its kin */
        buffer_append_text(words, text);
        return;
    }
    buffer_format(words, strchr(host.name, ':') ? "[%s]:%u" : "%s:%u", host.name,
                  host.port ? host.port : port);
    free(host.name);
}

static void put_hosts(struct buffer *words, const struct smarthost *peer)
{
    for (size_t i = 0; i < peer->hosts.count; i++) {
        buffer_append_text(words, i ? ", else " : "");
        put_host(words, peer->hosts.items[i], peer->port);
    }
    buffer_format(words, ", %s", tls_words(peer->tls));
    if (*peer->user)
        buffer_format(words, ", signed in as %s", peer->user);
}

/* "by [route "x"], ", or why it is this smarthost. */
static void put_reason(const struct next_hop *next, const struct address *sender,
                       struct buffer *words)
{
    if (next->route)
        buffer_format(words, "by [route \"%s\"]", next->route->pattern);
    if (!next->peer || (next->route && next->peer == &next->route->to))
        return;
    char *heading = smarthost_heading(next->peer), *from = address_text(sender);
    buffer_format(words, "%s%s", next->route ? " by " : "by ", heading);
    if (*next->peer->name &&
        (!next->route || next->route->via != VIA_SMARTHOST || !*next->route->argument))
        buffer_format(words, " for mail from %s", *from ? from : "<>");
    free(heading);
    free(from);
}

const char *explain_hop(const struct next_hop *next, const struct address *sender,
                        struct buffer *words)
{
    put_reason(next, sender, words);
    switch (next->way) {
    case WAY_SMTP:
        buffer_append_text(words, " to ");
        put_hosts(words, next->peer);
        return "smtp";
    case WAY_MX:
        buffer_format(words, " to the MX hosts of %s, port %u, %s", next->domain, next->peer->port,
                      tls_words(next->peer->tls));
        return "mx";
    case WAY_LMTP:
        buffer_format(words, " by LMTP to %s", next->route->argument);
        return "lmtp";
    case WAY_HOLD:
        buffer_append_text(words, " held until someone releases it");
        return "hold";
    case WAY_DISCARD:
        buffer_append_text(words, " thrown away");
        return "discard";
    case WAY_ERROR:
        buffer_format(words, " refused: %s", next->route->argument);
        return "error";
    case WAY_NONE:
        buffer_append_text(words, "waits: the settings name no smarthost for it");
        return "none";
    case WAY_LOCAL:
        break;
    }
    buffer_append_text(words, " to this machine");
    return "local";
}

const char *explain_end(const struct settings *settings, const struct target *target,
                        struct buffer *words)
{
    switch (target->kind) {
    case TARGET_MAILBOX:
        buffer_format(words, "mailbox %s/%s", settings->mailbox_directory, target->address.local);
        return "mailbox";
    case TARGET_FILE:
        if (strcmp(target->text, "/dev/null") == 0) {
            buffer_append_text(words, "thrown away (/dev/null)");
            return "discard";
        }
        buffer_format(words, "file %s, as user %s", target->text, settings->alias_files);
        return "file";
    case TARGET_COMMAND:
        buffer_format(words, "command %s, as user %s", target->text, settings->alias_commands);
        return "command";
    case TARGET_ERROR:
    case TARGET_REMOTE: /* explain_hop */
        break;
    }
    buffer_format(words, "%s: %s (%s)",
                  target->outcome.result == LATER ? "cannot be told now" : "nowhere",
                  target->outcome.reason, target->outcome.status);
    return target->outcome.result == LATER ? "later" : "error";
}

/*
 * What else an Exim configuration that somebody wrote means for us: its main section, rewriting,
 * times, and what of its access lists has a like with us.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_exim.h"

static const char listen_name[] = "smtp";

/* ---- the main section ---- */

static void take_main(struct exim *exim, const char *option, const char *section, const char *key)
{
    const char *value = exim_value(exim, "main", 0, option);
    size_t note = exim_note(exim, "main", 0, option);
    if (exim_is_computed(value))
        note_say(exim->importing->import, note, IMPORT_LEFT, "not taken over: it is computed");
    else if (*value)
        take_setting(exim->importing->import, note, section, "", key, value);
}

/* A named list: "domainlist local_domains". */
static void take_named(struct exim *exim, const char *option, const char *section, const char *name,
                       const char *key)
{
    const struct exim_option *found = exim_find(exim, "main", 0, option);
    if (found)
        exim_take_list(exim->importing->import, found->note, found->value, section, name, key);
}

static void take_listener(struct exim *exim)
{
    struct import *import = exim->importing->import;
    const struct exim_option *interfaces = exim_find(exim, "main", 0, "local_interfaces");
    const char *advertised = exim_value(exim, "main", 0, "tls_advertise_hosts");
    const char *certificate = exim_value(exim, "main", 0, "tls_certificate");
    const char *key = exim_value(exim, "main", 0, "tls_privatekey");
    char *why = NULL;
    exim_take_interfaces(import, interfaces ? interfaces->note : NOTE_NONE,
                         interfaces ? interfaces->value : "", listen_name);
    take_named(exim, "hostlist relay_from_hosts", "listen", listen_name, "relay_networks");
    take_named(exim, "domainlist relay_to_domains", "listen", listen_name, "relay_domains");
    size_t key_note = exim_note(exim, "main", 0, *key ? "tls_privatekey" : "tls_certificate");
    key = *key ? key : certificate;
    if (*certificate && *advertised && !exim_is_computed(certificate) && !exim_is_computed(key) &&
        take_would("listen", listen_name, "tls_certificate", certificate, &why) &&
        take_would("listen", listen_name, "tls_key", key, &why)) {
        take_setting(import, exim_note(exim, "main", 0, "tls_advertise_hosts"), "listen",
                     listen_name, "tls", "starttls");
        take_setting(import, exim_note(exim, "main", 0, "tls_certificate"), "listen", listen_name,
                     "tls_certificate", certificate);
        take_setting(import, key_note, "listen", listen_name, "tls_key", key);
    }
    free(why);
    const char *most = exim_value(exim, "main", 0, "smtp_accept_max");
    if (*most)
        take_setting(import, exim_note(exim, "main", 0, "smtp_accept_max"), "listen", listen_name,
                     "max_connections", most);
}

/* ---- the other sections ---- */

/* "*@host.example ops@example.org flags", "root ops@example.org". */
static void take_rewrite(struct exim *exim, const struct exim_option *line)
{
    char *copy = memory_copy(line->value, strlen(line->value)), *rest = copy;
    const char *pattern = source_split(&rest), *address = source_split(&rest);
    struct buffer rule = {0};
    buffer_format(&rule, "%s: %s", pattern, address);
    if (exim_is_computed(copy) || exim_is_computed(address) || !*address ||
        strpbrk(pattern, "+^!;"))
        note_say(exim->importing->import, line->note, IMPORT_LEFT,
                 "not taken over: a rule of masquerade names one whole address");
    else
        take_setting(exim->importing->import, line->note, "mail", "", "masquerade",
                     buffer_text(&rule));
    buffer_free(&rule);
    free(copy);
}

/* "* * F,2h,15m; G,16h,1h,1.5; F,4d,6h": the last of the times is when mail is given up. */
static void take_retry(struct exim *exim, const struct exim_option *line)
{
    struct import *import = exim->importing->import;
    const char *last = strrchr(line->value, ';');
    const char *comma = strchr(last ? last : line->value, ',');
    uint64_t seconds;
    size_t length = comma ? strcspn(comma + 1, ", \t") : 0;
    char *time = memory_copy(comma ? comma + 1 : "", length);
    if (*line->value == '*' && text_to_seconds(time, &seconds) &&
        take_seconds(import, line->note, "queue", "lifetime", seconds))
        note_say(import, line->note, IMPORT_OTHER,
                 "the steps between tries are not taken over: "
                 "see retry in [queue]");
    else
        note_say(import, line->note, IMPORT_LEFT,
                 "not taken over: see retry and lifetime in "
                 "[queue] and [route]");
    free(time);
}

static void take_acl(struct exim *exim, const struct exim_option *line, bool *refuses)
{
    struct import *import = exim->importing->import;
    static const char lists[] = "dnslists";
    size_t word = strcspn(line->value, " \t=");
    static const char *const verbs[] = {"accept", "deny",    "drop",   "warn",
                                        "defer",  "require", "discard"};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strlen(verbs[i]) == word && text_starts(line->value, verbs[i]))
            *refuses = i == 1 || i == 2;
    const char *text = strstr(line->value, lists);
    const char *equals = text ? strchr(text, '=') : NULL;
    if (equals && *refuses && !exim_is_computed(equals)) {
        struct texts items = {0};
        exim_split(equals + 1, &items);
        for (size_t i = 0; i < items.count; i++)
            take_setting(import, line->note, "filter", "", "dnsbl", items.items[i]);
        texts_free(&items);
    } else {
        note_say(import, line->note, IMPORT_LEFT,
                 "not taken over: who may send where is told by [listen] and [filter]");
    }
}

static void take_sections(struct exim *exim)
{
    bool refuses = false;
    for (size_t i = 0; i < exim->count; i++) {
        const struct exim_option *option = &exim->options[i];
        if (strcmp(option->section, "rewrite") == 0)
            take_rewrite(exim, option);
        else if (strcmp(option->section, "retry") == 0)
            take_retry(exim, option);
        else if (strcmp(option->section, "acl") == 0)
            take_acl(exim, option, &refuses);
    }
}

static void say_main(struct exim *exim)
{
    static const struct {
        const char *name;
        enum import_mark mark;
        const char *words;
    } known[] = {
        {"daemon_smtp_ports", IMPORT_OTHER,
         "ours listens at port 25 here; another section, "
         "[listen \"submission\"], has another port"},
        {"acl_*", IMPORT_SAME, "the lines of that ACL have notes of their own"},
        {"tls_*", IMPORT_SAME, "belongs to the certificate; without one ours offers no TLS"},
        {"log_*", IMPORT_SAME, "ours logs to the facility mail"},
        {"never_users", IMPORT_SAME, "ours never delivers as root"},
        {"host_lookup", IMPORT_SAME, "ours asks for a client's name when a milter wants it"},
        {"rfc1413*", IMPORT_SAME, "ours asks nobody who a client's user is"},
        {"prdr_enable", IMPORT_SAME, "ours does not know PRDR, which nobody needs"},
        {"ignore_bounce_errors_after", IMPORT_SAME, "ours makes no report about a report"},
        {"timeout_frozen_after", IMPORT_SAME, "ours makes no report about a report"},
        {"trusted_users", IMPORT_SAME, "ours lets everybody name a sender, and says who it was"},
        {"spool_directory", IMPORT_SAME,
         "ours has a queue of its own; what waits in that one does "
         "not come along"},
        {"*list *", IMPORT_SAME, "is filled in where others name it"},
        {"keep_environment", IMPORT_SAME, "ours keeps none"},
        {"add_environment", IMPORT_SAME, "ours keeps none"},
        {"dns_*", IMPORT_SAME, "ours asks by the system's resolver"},
        {"split_spool_directory", IMPORT_SAME, "is about Exim's own files"},
        {"smtputf8_advertise_hosts", IMPORT_SAME, "ours knows SMTPUTF8"},
        {"recipient*", IMPORT_LEFT, "not taken over: ours takes what RFC 5321 allows"},
    };
    for (size_t i = 0; i < exim->count; i++)
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            if (strcmp(exim->options[i].section, "main") == 0 &&
                text_match(known[k].name, exim->options[i].name) &&
                !note_has_words(exim->importing->import, exim->options[i].note))
                note_say(exim->importing->import, exim->options[i].note, known[k].mark, "%s",
                         known[k].words);
}

void exim_take(struct exim *exim)
{
    struct import *import = exim->importing->import;
    take_main(exim, "primary_hostname", "mail", "hostname");
    take_main(exim, "qualify_domain", "mail", "domain");
    take_main(exim, "message_size_limit", "mail", "max_message_size");
    take_named(exim, "domainlist local_domains", "mail", "", "local_domains");
    exim_take_routers(exim);
    take_listener(exim);
    take_sections(exim);
    say_main(exim);
    for (size_t i = 0; i < exim->macro_count; i++)
        if (!note_has_words(import, exim->macros[i].note))
            note_say(import, exim->macros[i].note, IMPORT_SAME, "is filled in where its name is");
}

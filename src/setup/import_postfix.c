/* See import_postfix.h: main.cf itself, and what of it is the same with us or cannot be had. */
#include "setup/import_postfix.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_programs.h"

enum { DEPTH_MOST = 20, STEPS_MOST = 10000, VALUE_LONGEST = 64 * 1024 };

/* ---- main.cf ---- */

static struct parameter *find(const struct postfix *postfix, const char *name)
{
    for (size_t i = 0; i < postfix->count; i++)
        if (strcmp(postfix->parameters[i].name, name) == 0)
            return &postfix->parameters[i];
    return NULL;
}

/* Passwords stand in the line itself, and not in a table elsewhere. */
static bool holds_secret(const char *name, const char *value)
{
    struct texts items = {0};
    bool secret = strstr(name, "password") && !strstr(name, "_maps");
    if (strstr(name, "password") && !secret)
        postfix_split(value, &items);
    for (size_t i = 0; i < items.count && !secret; i++)
        secret = !table_is_elsewhere(items.items[i]);
    texts_free(&items);
    return secret;
}

static void take_line(struct postfix *postfix, const struct source *source,
                      struct source_line *line)
{
    struct import *import = postfix->importing->import;
    char *equals = strchr(line->text, '=');
    size_t length = strcspn(line->text, " \t=");
    bool good =
        equals && length && equals == line->text + length + strspn(line->text + length, " \t");
    struct buffer name = {0};
    buffer_append(&name, line->text, length);
    bool secret = good && holds_secret(buffer_text(&name), equals + 1);
    struct buffer shown = {0};
    buffer_format(&shown, "%s ****", buffer_text(&name));
    size_t note =
        source_note(postfix->importing, source, line, good && !secret ? NULL : buffer_text(&shown));
    buffer_free(&shown);
    struct parameter *older = good ? find(postfix, buffer_text(&name)) : NULL;
    if (!good) {
        note_say(import, note, IMPORT_LEFT, "not taken over: it is no \"name = value\"");
        buffer_free(&name);
        return;
    }
    if (older) {
        note_say(import, older->note, IMPORT_SAME, "means nothing: line %u says it again",
                 line->first);
        free(older->value);
        buffer_free(&name);
    } else {
        postfix->parameters =
            memory_resize(postfix->parameters, (postfix->count + 1) * sizeof *postfix->parameters);
        older = &postfix->parameters[postfix->count++];
        *older = (struct parameter){.name = buffer_take(&name)};
    }
    const char *value = text_trim(equals + 1);
    older->value = memory_copy(value, strlen(value));
    older->note = note;
}

bool postfix_read(struct postfix *postfix)
{
    struct source source;
    struct source_line line;
    bool there = source_open(postfix->importing, POSTFIX_MAIN, SOURCE_MAIN, &source);
    while (there && source_next(postfix->importing, &source, SOURCE_INDENTED, &line))
        take_line(postfix, &source, &line);
    source_free(&source);
    return there;
}

void postfix_free(struct postfix *postfix)
{
    for (size_t i = 0; i < postfix->count; i++) {
        free(postfix->parameters[i].name);
        free(postfix->parameters[i].value);
        free(postfix->parameters[i].expanded);
    }
    free(postfix->parameters);
}

bool postfix_is_set(const struct postfix *postfix, const char *name)
{
    return postfix_note(postfix, name) != NOTE_NONE;
}

size_t postfix_note(const struct postfix *postfix, const char *name)
{
    const struct parameter *parameter = find(postfix, name);
    return parameter ? parameter->note : NOTE_NONE;
}

void postfix_say(struct postfix *postfix, const char *name, enum import_mark mark,
                 const char *format, ...)
{
    char words[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    note_say(postfix->importing->import, postfix_note(postfix, name), mark, "%s", words);
}

/* ---- variables ---- */

static const char name_letters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

/* The defaults that are needed to fill in others, or that we look at. */
static const char *const defaults[][2] = {
    {"myorigin", "$myhostname"},
    {"mydestination", "$myhostname, localhost.$mydomain, localhost"},
    {"alias_maps", "hash:/etc/aliases"},
    {"inet_interfaces", "all"},
    {"recipient_delimiter", ""},
    {"queue_directory", "/var/spool/postfix"},
    {"smtp_sasl_security_options", "noplaintext, noanonymous"},
    {"smtp_sasl_tls_security_options", "$smtp_sasl_security_options"},
    {"virtual_alias_domains", "$virtual_alias_maps"},
    {"virtual_alias_maps", "$virtual_maps"},
    {"config_directory", "/etc/postfix"},
    {"data_directory", "/var/lib/postfix"},
    {"mail_name", "Postfix"},
    {"default_transport", "smtp"},
    {"default_database_type", "hash"},
    {"maximal_backoff_time", "4000s"},
    {"minimal_backoff_time", "300s"},
};

static void expand(struct postfix *postfix, const char *text, unsigned depth, struct buffer *value);

/* myhostname and mydomain come from each other, and from the machine. */
static void put_own_name(struct postfix *postfix, bool domain, unsigned depth, struct buffer *value)
{
    const struct parameter *host = find(postfix, "myhostname");
    const struct parameter *given = find(postfix, "mydomain");
    struct buffer name = {.limit = VALUE_LONGEST};
    if (host) {
        expand(postfix, host->value, depth + 1, &name);
    } else {
        char *machine = source_domain(postfix->importing);
        buffer_append_text(&name, machine ? machine : "localhost");
        free(machine);
        if (!strchr(buffer_text(&name), '.')) {
            buffer_append_byte(&name, '.');
            if (given)
                expand(postfix, given->value, depth + 1, &name);
            else
                buffer_append_text(&name, "localdomain");
        }
    }
    const char *dot = strchr(buffer_text(&name), '.');
    buffer_append_text(value, !domain ? buffer_text(&name) : dot ? dot + 1 : "localdomain");
    buffer_free(&name);
}

static void put_variable(struct postfix *postfix, const char *name, unsigned depth,
                         struct buffer *value)
{
    const struct parameter *parameter = find(postfix, name);
    if (parameter) {
        expand(postfix, parameter->value, depth + 1, value);
        return;
    }
    bool domain = strcmp(name, "mydomain") == 0;
    if (domain || strcmp(name, "myhostname") == 0) {
        put_own_name(postfix, domain, depth, value);
        return;
    }
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        if (strcmp(defaults[i][0], name) == 0)
            expand(postfix, defaults[i][1], depth + 1, value);
}

/* The bracket that closes the one at which the text begins; NULL: there is none. */
static const char *find_close(const char *text)
{
    char open = *text, close = open == '(' ? ')' : '}';
    unsigned level = 0;
    for (; *text; text++) {
        level += *text == open;
        level -= *text == close;
        if (level == 0)
            return text;
    }
    return NULL;
}

/* The text behind '?' or ':', up to its end, or within brackets of its own; *rest is what follows.
 */
static char *branch(const char *text, const char **rest)
{
    const char *open = text + strspn(text, " \t"), *close = *open == '{' ? find_close(open) : NULL;
    *rest = close ? close + 1 + strspn(close + 1, " \t") : "";
    if (!close)
        return memory_copy(text, strlen(text));
    char *copy = memory_copy(open + 1, (size_t)(close - open) - 1), *trimmed = text_trim(copy);
    trimmed = memory_copy(trimmed, strlen(trimmed));
    free(copy);
    return trimmed;
}

/* Between the brackets: "name", "name?text", "name:text", "name?{text}:{text}". */
static void put_bracketed(struct postfix *postfix, const char *inside, size_t length,
                          unsigned depth, struct buffer *value)
{
    char *copy = memory_copy(inside, length);
    size_t name = strspn(copy, name_letters);
    const char *rest = copy + name + strspn(copy + name, " \t");
    char kind = *rest;
    copy[name] = '\0';
    struct buffer held = {.limit = VALUE_LONGEST};
    put_variable(postfix, copy, depth, &held);
    bool set = held.length > 0;
    if (!name || (kind && kind != '?' && kind != ':'))
        postfix->computed = true;
    else if (!kind || (kind == ':' && set))
        buffer_append_text(value, buffer_text(&held));
    else {
        char *text = branch(rest + 1, &rest);
        if (set == (kind == '?'))
            expand(postfix, text, depth + 1, value);
        free(text);
        if (kind == '?' && !set && *rest == ':') {
            text = branch(rest + 1, &rest);
            expand(postfix, text, depth + 1, value);
            free(text);
        }
    }
    buffer_free(&held);
    free(copy);
}

static void expand(struct postfix *postfix, const char *text, unsigned depth, struct buffer *value)
{
    while (*text && depth <= DEPTH_MOST && ++postfix->steps <= STEPS_MOST) {
        size_t plain = strcspn(text, "$");
        buffer_append(value, text, plain);
        text += plain;
        if (!*text)
            return;
        text++;
        const char *close = *text == '{' || *text == '(' ? find_close(text) : NULL;
        size_t name = strspn(text, name_letters);
        if (close) {
            put_bracketed(postfix, text + 1, (size_t)(close - text) - 1, depth, value);
            text = close + 1;
        } else if (*text == '$') {
            buffer_append_byte(value, *text++);
        } else {
            char *copy = memory_copy(text, name);
            put_variable(postfix, copy, depth, value);
            free(copy);
            text += name;
        }
    }
}

const char *postfix_value(struct postfix *postfix, const char *name)
{
    struct parameter *parameter = find(postfix, name);
    postfix->steps = 0;
    if (!parameter) {
        /* A default has a place as well, of which no note tells. */
        postfix->parameters =
            memory_resize(postfix->parameters, (postfix->count + 1) * sizeof *postfix->parameters);
        struct buffer value = {.limit = VALUE_LONGEST};
        put_variable(postfix, name, 0, &value);
        parameter = &postfix->parameters[postfix->count++];
        *parameter = (struct parameter){.name = memory_copy(name, strlen(name)),
                                        .value = buffer_take(&value),
                                        .note = NOTE_NONE};
    }
    if (!parameter->expanded) {
        struct buffer value = {.limit = VALUE_LONGEST};
        postfix->steps = 0;
        postfix->computed = false;
        expand(postfix, parameter->value, 0, &value);
        char *text = buffer_take(&value);
        char *trimmed = text_trim(text);
        if (postfix->computed)
            note_say(postfix->importing->import, parameter->note, IMPORT_LEFT,
                     "what it compares is not taken over");
        parameter->expanded = memory_copy(trimmed, strlen(trimmed));
        free(text);
    }
    return parameter->expanded;
}

bool postfix_is_yes(struct postfix *postfix, const char *name)
{
    return text_equal(postfix_value(postfix, name), "yes");
}

bool postfix_is_settled(const struct postfix *postfix, const char *name)
{
    size_t note = postfix_note(postfix, name);
    return note == NOTE_NONE || note_has_words(postfix->importing->import, note);
}

void postfix_rest(struct postfix *postfix, const char *name, enum import_mark mark,
                  const char *words)
{
    if (!postfix_is_settled(postfix, name))
        postfix_say(postfix, name, mark, "%s", words);
}

bool postfix_time(struct postfix *postfix, const char *name, char unit, uint64_t *seconds)
{
    const char *text = postfix_value(postfix, name);
    struct buffer time = {0};
    buffer_append_text(&time, text);
    if (*text && isdigit((unsigned char)text[strlen(text) - 1]))
        buffer_append_byte(&time, unit);
    bool good = text_to_seconds(buffer_text(&time), seconds);
    buffer_free(&time);
    if (!good)
        postfix_say(postfix, name, IMPORT_LEFT, "not taken over: it is no time");
    return good;
}

/* What braces hold is a part of the item. */
static size_t item_length(const char *text)
{
    unsigned depth = 0;
    const char *end = text;
    for (; *end && (depth || !strchr(", \t\r\n", *end)); end++) {
        depth += *end == '{';
        depth -= *end == '}' && depth;
    }
    return (size_t)(end - text);
}

void postfix_split(const char *text, struct texts *items)
{
    while (*text) {
        text += strspn(text, ", \t\r\n");
        size_t length = item_length(text);
        char *item = memory_copy(text, length);
        if (length)
            texts_add(items, item);
        free(item);
        text += length;
    }
}

/* ---- what needs no look ---- */

static const struct {
    const char *pattern; /* '*' for anything */
    enum import_mark mark;
    const char *words;
} known[] = {
    {"smtpd_banner", IMPORT_SAME, "ours greets with its name alone"},
    {"biff", IMPORT_SAME, "ours tells nobody of new mail"},
    {"append_dot_mydomain", IMPORT_SAME, "ours leaves a name without a dot as it is"},
    {"readme_directory", IMPORT_SAME, "is about Postfix's own files"},
    {"*_directory", IMPORT_SAME, "is about Postfix's own files"},
    {"*_path", IMPORT_SAME, "is about Postfix's own files"},
    {"*_group", IMPORT_SAME, "is about Postfix's own users"},
    {"mail_owner", IMPORT_SAME, "is about Postfix's own users"},
    {"default_privs", IMPORT_SAME, "ours runs commands of aliases as alias_commands says"},
    {"compatibility_level", IMPORT_SAME, "ours has no older ways to be compatible with"},
    {"shlib_directory", IMPORT_SAME, "is about Postfix's own files"},
    {"*_cache_database", IMPORT_SAME, "ours keeps no sessions, and needs no such file"},
    {"*tls_session_cache_timeout", IMPORT_SAME, "ours keeps no sessions"},
    {"*tls_loglevel", IMPORT_SAME, "ours logs what concerns TLS"},
    {"*tls_received_header", IMPORT_SAME, "ours says it in Received"},
    {"*tls_note_starttls_offer", IMPORT_SAME, "ours logs what concerns TLS"},
    {"*tls*_protocols", IMPORT_SAME, "ours has TLS 1.2 and later"},
    {"*tls*_ciphers", IMPORT_SAME, "ours has the ciphers that GnuTLS takes for secure"},
    {"*tls*_exclude_ciphers", IMPORT_SAME, "ours has the ciphers that GnuTLS takes for secure"},
    {"tls_*", IMPORT_SAME, "ours has TLS as GnuTLS takes it for secure"},
    {"smtpd_tls_auth_only", IMPORT_SAME, "ours offers AUTH under TLS alone, but to loopback"},
    {"disable_vrfy_command", IMPORT_SAME, "ours tells nobody by VRFY who is here"},
    {"smtpd_helo_required", IMPORT_SAME, "ours wants a greeting"},
    {"smtpd_sasl_type", IMPORT_SAME, "belongs to smtpd_sasl_auth_enable"},
    {"smtpd_sasl_path", IMPORT_SAME, "belongs to smtpd_sasl_auth_enable"},
    {"smtpd_sasl_*", IMPORT_SAME, "belongs to smtpd_sasl_auth_enable"},
    {"broken_sasl_auth_clients", IMPORT_SAME, "belongs to smtpd_sasl_auth_enable"},
    {"smtp_sasl_security_options", IMPORT_SAME, "ours takes the strongest that is offered"},
    {"smtp_sasl_tls_security_options", IMPORT_SAME, "ours takes the strongest that is offered"},
    {"mailbox_size_limit", IMPORT_LEFT,
     "not taken over: mailboxes of ours have no limit but the "
     "disk's and its quotas"},
    {"mailbox_command*", IMPORT_LEFT,
     "not taken over: ours writes mailboxes itself; an alias can "
     "lead to a command"},
    {"home_mailbox", IMPORT_LEFT,
     "not taken over: ours writes one file a user, in "
     "mailbox_directory; [route ...] via = lmtp:PATH leads to another "
     "program"},
    {"mailbox_transport*", IMPORT_LEFT,
     "not taken over: [route \"localhost\"] via = lmtp:PATH "
     "leads to another program"},
    {"virtual_mailbox_*", IMPORT_LEFT,
     "not taken over: a [route] with via = lmtp:PATH leads to a "
     "program that has mailboxes of its own"},
    {"virtual_transport", IMPORT_LEFT,
     "not taken over: a [route] with via = lmtp:PATH leads to a "
     "program that has mailboxes of its own"},
    {"masquerade_*", IMPORT_LEFT,
     "not taken over: a rule of masquerade names one address; domain "
     "is put behind senders without one"},
    {"relocated_maps", IMPORT_LEFT,
     "not taken over: [route \"DOMAIN\"] via = error TEXT is for "
     "whole domains"},
    {"*header_checks", IMPORT_LEFT, "not taken over: ours looks into no message; a milter does"},
    {"*body_checks", IMPORT_LEFT, "not taken over: ours looks into no message; a milter does"},
    {"content_filter", IMPORT_LEFT, "not taken over: [filter] milter asks a filter"},
    {"non_smtpd_milters", IMPORT_LEFT,
     "not taken over: milters of ours see what comes by the "
     "network alone; [dkim] signs all that goes out"},
    {"always_bcc", IMPORT_LEFT, "not taken over: ours makes no copies"},
    {"*_bcc_maps", IMPORT_LEFT, "not taken over: ours makes no copies"},
    {"smtp_bind_address*", IMPORT_LEFT,
     "not taken over: a route of the kernel can have a source "
     "address (ip route ... src ADDRESS)"},
    {"smtp_*_timeout", IMPORT_SAME, "ours has the time limits of RFC 5321"},
    {"smtpd_timeout", IMPORT_LEFT, "not taken over: see timeout in [listen]"},
    {"bounce_queue_lifetime", IMPORT_LEFT, "not taken over: ours has one lifetime for all mail"},
    {"smtp_tls_per_site", IMPORT_LEFT, "not taken over: each [smarthost] and [route] has its tls"},
    {"smtpd_*restrictions", IMPORT_LEFT, "not taken over: see [filter], and relay_networks"},
    {"local_recipient_maps", IMPORT_SAME, "ours knows the users and aliases of this machine"},
    {"unknown_local_recipient_reject_code", IMPORT_SAME, "ours answers with 550"},
    {"smtp_host_lookup", IMPORT_SAME, "ours asks the system, which asks /etc/hosts first"},
    {"disable_dns_lookups", IMPORT_SAME, "ours asks for MX records only where via = mx"},
    {"debug*", IMPORT_SAME, "is about finding faults in Postfix"},
    {"*_service_name", IMPORT_SAME, "is about parts of Postfix itself"},
    {"*_process_limit", IMPORT_SAME, "is about parts of Postfix itself"},
    {"maillog_file*", IMPORT_LEFT,
     "not taken over: syslog has it; for a file as well set log_file, "
     "to one that the user and the group postrider may write"},
    {"syslog_*", IMPORT_SAME, "ours logs to the facility mail as postrider"},
    {"authorized_*_users", IMPORT_SAME, "ours lets everybody submit, and see what is his"},
    {"notify_classes", IMPORT_LEFT, "not taken over: see postrider status and postrider check"},
    {"smtputf8_enable", IMPORT_SAME, "ours knows SMTPUTF8"},
};

static void say_known(struct postfix *postfix)
{
    for (size_t i = 0; i < postfix->count; i++) {
        const char *name = postfix->parameters[i].name;
        size_t k = 0, most = sizeof known / sizeof known[0];
        if (postfix_is_settled(postfix, name))
            continue;
        while (k < most && !text_match(known[k].pattern, name))
            k++;
        if (k < most)
            postfix_say(postfix, name, known[k].mark, "%s", known[k].words);
    }
}

/* A parameter of the file's own, which others use, has no meaning itself. */
static void say_used(struct postfix *postfix)
{
    for (size_t i = 0; i < postfix->count; i++) {
        const char *name = postfix->parameters[i].name;
        bool used = false;
        for (size_t k = 0; k < postfix->count && !used; k++) {
            const char *at = postfix->parameters[k].value;
            while (!used && (at = strchr(at, '$'))) {
                at += 1 + strspn(at + 1, "{(");
                size_t length = strlen(name);
                used = strncmp(at, name, length) == 0 && !isalnum((unsigned char)at[length]) &&
                       at[length] != '_';
            }
        }
        if (used && !postfix_is_settled(postfix, name))
            postfix_say(postfix, name, IMPORT_SAME, "is filled in where others name it");
    }
}

void import_postfix(struct importing *importing)
{
    struct postfix postfix = {.importing = importing};
    if (postfix_read(&postfix)) {
        postfix_take_sending(&postfix);
        postfix_take_receiving(&postfix);
        say_known(&postfix);
        say_used(&postfix);
    } else if (outcome_good(&importing->outcome)) {
        importing->outcome =
            outcome_refuse(EX_NOINPUT, "there is no " POSTFIX_MAIN ": has Postfix settings here?");
    }
    postfix_free(&postfix);
}

/*
 * Exim: which of its files count, and Debian's update-exim4.conf.conf, of which Debian makes a
 * configuration for it (update-exim4.conf(8)). Names for them come from exim4-config_files(5).
 */
#include "setup/import_exim.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_programs.h"

#define FOLDER "/etc/exim4/"

static const char conf[] = FOLDER "update-exim4.conf.conf";
static const char listen_name[] = "smtp";

/* ---- update-exim4.conf.conf ---- */

struct variable {
    char *name, *value;
    size_t note;
};

struct debian {
    struct importing *importing;
    struct variable *variables;
    size_t count;
    struct exim macros; /* exim4.conf.localmacros */
};

/* A word of a shell without anything that it would have to compute; NULL: it is not. */
static char *plain_word(const char *text)
{
    struct buffer word = {0};
    char quote = '\0';
    bool good = true;
    for (; *text && good; text++) {
        if (quote ? *text == quote : *text == '"' || *text == '\'')
            quote = quote ? '\0' : *text;
        else if (quote != '\'' && strchr("$`\\", *text))
            good = false;
        else if (!quote && strchr(" \t;&|<>()", *text))
            good = strspn(text, " \t") == strlen(text) || text[strspn(text, " \t")] == '#';
        else
            buffer_append_byte(&word, *text);
        if (!quote && strchr(" \t", *text))
            break;
    }
    if (good && !quote)
        return buffer_take(&word);
    buffer_free(&word);
    return NULL;
}

static void take_line(struct debian *debian, const struct source *source, struct source_line *line)
{
    struct import *import = debian->importing->import;
    size_t note = source_note(debian->importing, source, line, NULL);
    char *text = text_trim(line->text), *equals = strchr(text, '=');
    char *value = equals ? plain_word(equals + 1) : NULL;
    if (!value || strcspn(text, " \t$`\"'") < (size_t)(equals - text)) {
        note_say(import, note, IMPORT_LEFT,
                 "not taken over: a shell has to compute it, or it is no name='value'");
        free(value);
        return;
    }
    *equals = '\0';
    for (size_t i = 0; i < debian->count; i++)
        if (strcmp(debian->variables[i].name, text) == 0) {
            note_say(import, debian->variables[i].note, IMPORT_SAME,
                     "means nothing: line %u says it again", line->first);
            free(debian->variables[i].value);
            debian->variables[i].value = value;
            debian->variables[i].note = note;
            return;
        }
    debian->variables =
        memory_resize(debian->variables, (debian->count + 1) * sizeof *debian->variables);
    debian->variables[debian->count++] =
        (struct variable){memory_copy(text, strlen(text)), value, note};
}

static const struct variable *find(const struct debian *debian, const char *name)
{
    static char nothing[] = "";
    static const struct variable none = {NULL, nothing, NOTE_NONE};
    for (size_t i = 0; i < debian->count; i++)
        if (strcmp(debian->variables[i].name, name) == 0)
            return &debian->variables[i];
    return &none;
}

static const char *value_of(const struct debian *debian, const char *name)
{
    return find(debian, name)->value;
}

static void say(const struct debian *debian, const char *name, enum import_mark mark,
                const char *words)
{
    note_say(debian->importing->import, find(debian, name)->note, mark, "%s", words);
}

/* When nothing has been said yet. */
static void say_rest(const struct debian *debian, const char *name, const char *words)
{
    if (!note_has_words(debian->importing->import, find(debian, name)->note))
        say(debian, name, IMPORT_SAME, words);
}

static bool is_true(const struct debian *debian, const char *name)
{
    return text_equal(value_of(debian, name), "true");
}

/* A macro of the administrator's, from either file; NULL: there is none. */
static const char *macro(const struct debian *debian, const char *name, size_t *note)
{
    const struct exim_macro *macro = exim_macro(&debian->macros, name);
    const struct variable *variable = find(debian, name);
    *note = macro ? macro->note : variable->note;
    return macro ? macro->value : variable->name ? variable->value : NULL;
}

/* ';' parts items, unless there is none: then ':' does. */
static void list_of(const char *text, struct buffer *list)
{
    buffer_append_text(list, strchr(text, ';') && *text != '<' ? "<;" : "");
    buffer_append_text(list, text);
}

static void take_list(const struct debian *debian, const char *variable, const char *section,
                      const char *name, const char *key)
{
    struct buffer list = {0};
    list_of(value_of(debian, variable), &list);
    exim_take_list(debian->importing->import, find(debian, variable)->note, buffer_text(&list),
                   section, name, key);
    buffer_free(&list);
}

/* ---- what it means ---- */

static void set_tls(const struct debian *debian, struct foreign *account)
{
    static const struct {
        const char *name;
        enum foreign_tls tls;
    } ways[] = {{"REMOTE_SMTP_SMARTHOST_HOSTS_REQUIRE_TLS", FOREIGN_STARTTLS},
                {"REMOTE_SMTP_SMARTHOST_HOSTS_AVOID_TLS", FOREIGN_CLEAR}};
    size_t note;
    /* Debian's settings sign in under TLS alone. */
    account->tls = account->user.value ? FOREIGN_STARTTLS : FOREIGN_MAY;
    for (size_t i = 0; i < 2; i++)
        if (macro(debian, ways[i].name, &note)) {
            account->tls = ways[i].tls;
            foreign_said_tls(account, note);
        }
    const char *protocol = macro(debian, "REMOTE_SMTP_SMARTHOST_PROTOCOL", &note);
    if (protocol && text_equal(protocol, "smtps")) {
        account->tls = FOREIGN_IMPLICIT;
        foreign_said_tls(account, note);
    }
    const char *verify = macro(debian, "REMOTE_SMTP_SMARTHOST_TLS_VERIFY_HOSTS", &note);
    if (verify && strcmp(verify, "*") != 0) {
        account->verified = false;
        account->verify_note = note;
    } else {
        note_say(debian->importing->import, note, IMPORT_SAME, "ours looks at certificates, too");
    }
    const char *trust = macro(debian, "REMOTE_SMTP_SMARTHOST_TLS_VERIFY_CERTIFICATES", &note);
    said_set(&account->trust, trust && *trust == '/' ? trust : NULL, note);
    const char *certificate = macro(debian, "REMOTE_SMTP_SMARTHOST_TLS_CERTIFICATE", &note);
    said_set(&account->certificate, certificate, note);
    const char *key = macro(debian, "REMOTE_SMTP_SMARTHOST_PRIVATEKEY", &note);
    said_set(&account->key, key ? key : certificate, key ? note : account->certificate.note);
}

static void take_smarthost(struct debian *debian)
{
    struct import *import = debian->importing->import;
    const struct variable *smarthost = find(debian, "dc_smarthost");
    struct foreign account;
    struct texts items = {0};
    struct buffer hosts = {0};
    char *text = memory_copy(smarthost->value, strlen(smarthost->value));
    for (char *c = text; *c; c++)
        *c = *c == ';' ? ':' : *c;
    exim_split(text, &items);
    for (size_t i = 0; i < items.count; i++)
        exim_put_host(items.items[i], &hosts);
    foreign_begin(&account, "Exim", conf, "");
    said_set(&account.hosts, hosts.length ? buffer_text(&hosts) : NULL, smarthost->note);
    exim_read_clients(debian->importing, FOLDER "passwd.client", &account);
    set_tls(debian, &account);
    said_set(&account.port, account.tls == FOREIGN_IMPLICIT ? "465" : "25", NOTE_NONE);
    if (!foreign_take(import, &account) && !account.hosts.value)
        say(debian, "dc_smarthost", IMPORT_LEFT,
            "names no host: mail waits until there is a [smarthost]");
    foreign_free(&account);
    buffer_free(&hosts);
    texts_free(&items);
    free(text);
}

/* Where mail for others goes, by the type of the configuration. */
static void take_type(struct debian *debian)
{
    struct import *import = debian->importing->import;
    const struct variable *type = find(debian, "dc_eximconfig_configtype");
    bool smarthost = text_equal(type->value, "smarthost");
    if (smarthost || text_equal(type->value, "satellite")) {
        take_smarthost(debian);
        note_say(import, type->note, smarthost ? IMPORT_SAME : IMPORT_OTHER,
                 smarthost ? "there is a [smarthost]"
                           : "there is a [smarthost]; ours keeps mail for users of this machine "
                             "here unless an alias leads elsewhere");
    } else if (text_equal(type->value, "internet")) {
        route_take(import, type->note, "*", "mx");
    } else if (text_equal(type->value, "local")) {
        route_take(import, type->note, "*", "error Mailing to remote domains not supported");
    } else {
        note_say(import, type->note, IMPORT_LEFT,
                 "not taken over: Exim has no settings of its own then");
    }
    say(debian, "dc_smarthost", IMPORT_SAME,
        *value_of(debian, "dc_smarthost") ? "counts with the types smarthost and satellite"
                                          : "says nothing");
}

static void take_names(struct debian *debian)
{
    struct import *import = debian->importing->import;
    const struct variable *readhost = find(debian, "dc_readhost");
    size_t note;
    const char *name = macro(debian, "MAIN_HARDCODE_PRIMARY_HOSTNAME", &note);
    if (name)
        take_setting(import, note, "mail", "", "hostname", name);
    char *mailname = source_word(debian->importing, "/etc/mailname", SOURCE_MAYBE, &note);
    note_say(import, note, IMPORT_SAME, "ours reads it, too, for the domain of senders");
    take_list(debian, "dc_other_hostnames", "mail", "", "local_domains");
    bool hidden = is_true(debian, "dc_hide_mailname") && *readhost->value;
    if (hidden && take_setting(import, readhost->note, "mail", "", "domain", readhost->value)) {
        take_credit(import, find(debian, "dc_hide_mailname")->note, "mail", "", "domain");
        note_say(import, readhost->note, IMPORT_OTHER,
                 "Exim puts it into senders that name this machine as well; a rule of masquerade "
                 "does that for one address");
    }
    say_rest(debian, "dc_hide_mailname", "senders have the domain of this machine");
    say_rest(debian, "dc_readhost", "counts with dc_hide_mailname");
    free(mailname);
}

static void take_server_tls(struct debian *debian)
{
    struct import *import = debian->importing->import;
    size_t note, certificate_note, key_note;
    const char *enabled = macro(debian, "MAIN_TLS_ENABLE", &note);
    const char *certificate = macro(debian, "MAIN_TLS_CERTIFICATE", &certificate_note);
    const char *key = macro(debian, "MAIN_TLS_PRIVATEKEY", &key_note);
    if (!enabled)
        return;
    certificate = certificate ? certificate : FOLDER "exim.crt";
    key = key ? key : FOLDER "exim.key";
    char *why = NULL;
    if (take_would("listen", listen_name, "tls_certificate", certificate, &why) &&
        take_would("listen", listen_name, "tls_key", key, &why)) {
        take_setting(import, note, "listen", listen_name, "tls", "starttls");
        take_setting(import, certificate_note, "listen", listen_name, "tls_certificate",
                     certificate);
        take_setting(import, key_note, "listen", listen_name, "tls_key", key);
        note_say(import, note, IMPORT_OTHER,
                 "the user postrider must be able to read the key, and others must not");
    } else {
        note_say(import, note, IMPORT_LEFT, "not taken over: %s", why);
    }
    free(why);
}

static void take_listener(struct debian *debian)
{
    struct import *import = debian->importing->import;
    struct buffer list = {0};
    const struct variable *interfaces = find(debian, "dc_local_interfaces");
    list_of(interfaces->value, &list);
    exim_take_interfaces(import, interfaces->note, buffer_text(&list), listen_name);
    note_say(import, interfaces->note, IMPORT_TAKEN,
             "postrider serve or postrider.socket starts it");
    if (interfaces->note == NOTE_NONE)
        note_file(import, conf, IMPORT_OTHER,
                  "says nothing of dc_local_interfaces: Exim listens at all addresses, as [listen "
                  "\"%s\"] address = * does; postrider serve or postrider.socket starts it",
                  listen_name);
    buffer_free(&list);
    take_list(debian, "dc_relay_nets", "listen", listen_name, "relay_networks");
    take_list(debian, "dc_relay_domains", "listen", listen_name, "relay_domains");
    take_server_tls(debian);
}

/* /etc/email-addresses: senders of this machine that go by another address. */
static void take_addresses(struct debian *debian)
{
    struct import *import = debian->importing->import;
    struct source source;
    struct source_line line;
    char *domain = source_domain(debian->importing);
    bool there = source_open(debian->importing, "/etc/email-addresses", SOURCE_MAYBE, &source);
    while (there && source_next(debian->importing, &source, SOURCE_PLAIN, &line)) {
        size_t note = source_note(debian->importing, &source, &line, NULL);
        size_t length = strcspn(line.text, ": \t");
        const char *address = text_trim(line.text + length + strspn(line.text + length, ": \t"));
        struct buffer rule = {0};
        line.text[length] = '\0';
        const char *own = taken_value(import, "mail", "", "domain");
        own = own ? own : domain ? domain : "*";
        buffer_format(&rule, "%s@%s: %s", line.text, own, address);
        take_setting(import, note, "mail", "", "masquerade", buffer_text(&rule));
        buffer_free(&rule);
    }
    source_free(&source);
    free(domain);
}

/* /etc/exim4/hubbed_hosts: hosts for some domains. */
static void take_hubs(struct debian *debian)
{
    struct import *import = debian->importing->import;
    struct source source;
    struct source_line line;
    bool there = source_open(debian->importing, FOLDER "hubbed_hosts", SOURCE_MAYBE, &source);
    while (there && source_next(debian->importing, &source, SOURCE_PLAIN, &line)) {
        size_t note = source_note(debian->importing, &source, &line, NULL);
        size_t length = strcspn(line.text, ": \t");
        char *text = line.text + length + strspn(line.text + length, ": \t");
        struct texts items = {0};
        struct buffer hosts = {0};
        line.text[length] = '\0';
        exim_split(text, &items);
        for (size_t i = 0; i < items.count; i++)
            exim_put_host(items.items[i], &hosts);
        if (route_take(import, note, line.text, buffer_text(&hosts)))
            route_take_tls(import, line.text, "Exim", FOREIGN_MAY, note);
        buffer_free(&hosts);
        texts_free(&items);
    }
    source_free(&source);
}

static void take_rest(struct debian *debian)
{
    size_t note;
    const char *size = macro(debian, "MESSAGE_SIZE_LIMIT", &note);
    if (size)
        take_setting(debian->importing->import, note, "mail", "", "max_message_size", size);
    say(debian, "dc_localdelivery",
        text_equal(value_of(debian, "dc_localdelivery"), "mail_spool") ? IMPORT_SAME : IMPORT_LEFT,
        text_equal(value_of(debian, "dc_localdelivery"), "mail_spool")
            ? "ours writes to /var/mail, too"
            : "not taken over: ours writes one file a user, in mailbox_directory; [route ...] via "
              "= lmtp:PATH leads to another program");
    static const char *const idle[] = {"dc_minimaldns", "CFILEMODE", "dc_use_split_config",
                                       "dc_mailname_in_oh", "ue4c_keepcomments"};
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++)
        say(debian, idle[i], IMPORT_SAME, "is about Exim's own files");
    note_file(debian->importing->import, conf, IMPORT_OTHER,
              "is what is read; changes that were made to exim4.conf.template or in conf.d are not "
              "looked at");
}

static void read_debian(struct importing *importing)
{
    struct debian debian = {.importing = importing, .macros = {.importing = importing}};
    struct source source;
    struct source_line line;
    bool there = source_open(importing, conf, SOURCE_MAIN, &source);
    while (there && source_next(importing, &source, SOURCE_PLAIN, &line))
        take_line(&debian, &source, &line);
    source_free(&source);
    if (there) {
        exim_read(&debian.macros,
                  is_true(&debian, "dc_use_split_config") ? FOLDER "conf.d/main/000_localmacros"
                                                          : FOLDER "exim4.conf.localmacros",
                  SOURCE_MAYBE);
        take_names(&debian);
        take_type(&debian);
        if (!text_equal(value_of(&debian, "dc_eximconfig_configtype"), "none"))
            take_listener(&debian);
        take_addresses(&debian);
        take_hubs(&debian);
        take_rest(&debian);
        note_file(importing->import, conf, IMPORT_OTHER,
                  "says nothing of it: Exim gives mail up after 4 days, ours after 5 (lifetime)");
    }
    exim_free(&debian.macros);
    for (size_t i = 0; i < debian.count; i++) {
        free(debian.variables[i].name);
        free(debian.variables[i].value);
    }
    free(debian.variables);
}

/* ---- which files there are ---- */

void import_exim(struct importing *importing)
{
    static const char *const paths[] = {FOLDER "exim4.conf", "/etc/exim/exim.conf",
                                        "/etc/exim.conf", "/usr/exim/configure"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (!source_is_there(importing, paths[i]) || (i > 0 && source_is_there(importing, conf)))
            continue;
        struct exim exim = {.importing = importing};
        if (exim_read(&exim, paths[i], SOURCE_MAIN))
            exim_take(&exim);
        if (source_is_there(importing, conf))
            note_file(importing->import, conf, IMPORT_SAME, "means nothing while there is %s",
                      paths[i]);
        exim_free(&exim);
        return;
    }
    if (source_is_there(importing, conf))
        read_debian(importing);
    else
        importing->outcome = outcome_refuse(
            EX_NOINPUT, "there is neither %s nor %s: has Exim settings here?", conf, paths[0]);
}

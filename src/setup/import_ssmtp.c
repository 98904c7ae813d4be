/*
 * sSMTP: ssmtp.conf(5) and the reverse aliases of ssmtp(8), as Debian's version reads them: words
 * end at blanks and at '=', and '#' ends a line wherever it stands. It looks at no certificate.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_account.h"
#include "setup/import_programs.h"

static const char conf[] = "/etc/ssmtp/ssmtp.conf";
static const char reverse[] = "/etc/ssmtp/revaliases";

enum key {
    ROOT,
    MAILHUB,
    REMOTEPORT,
    REWRITE,
    HOSTNAME,
    FROM_LINE,
    USE_TLS,
    USE_STARTTLS,
    USE_CERT,
    CERT,
    KEY,
    CA_FILE,
    AUTH_USER,
    AUTH_PASS,
    AUTH_METHOD,
    KEYS
};

static const char *const names[KEYS] = {
    "root",     "mailhub",     "remoteport", "rewritedomain", "hostname", "fromlineoverride",
    "usetls",   "usestarttls", "usetlscert", "tlscert",       "tlskey",   "tls_ca_file",
    "authuser", "authpass",    "authmethod"};

struct reading {
    struct importing *importing;
    struct said said[KEYS];
    char *domain; /* behind senders; NULL: nobody knows */
};

static const char *value_of(const struct reading *reading, enum key key)
{
    return reading->said[key].value ? reading->said[key].value : "";
}

static bool is_yes(const struct reading *reading, enum key key)
{
    return text_equal(value_of(reading, key), "yes");
}

static void say(struct reading *reading, enum key key, enum import_mark mark, const char *words)
{
    note_say(reading->importing->import, reading->said[key].note, mark, "%s", words);
}

/* ---- its lines ---- */

static enum key find_key(const char *name)
{
    enum key key = 0;
    while (key < KEYS && !text_equal(names[key], name))
        key++;
    return key;
}

static void take_line(struct reading *reading, const struct source *source,
                      struct source_line *line)
{
    struct import *import = reading->importing->import;
    char *copy = memory_copy(line->text, strlen(line->text)), *value = strchr(copy, '=');
    size_t size = strlen(copy);
    char *name = copy + strspn(copy, " \t");
    name[strcspn(name, "= \t")] = '\0';
    enum key key = find_key(name);
    bool open = key != KEYS && key != AUTH_PASS;
    struct buffer shown = {0};
    buffer_format(&shown, "%s%s", name, value ? "=****" : " ****");
    size_t note = source_note(reading->importing, source, line, open ? NULL : buffer_text(&shown));
    buffer_free(&shown);
    if (value) {
        value++;
        bool cut = strchr(value, '#') != NULL;
        size_t length = strcspn(value, "= \t#");
        const char *rest = value + length + strspn(value + length, " \t");
        if (cut && value[length] == '#')
            length = 0; /* a word needs something behind it that ends it */
        if (key != KEYS && *rest)
            note_say(import, note, IMPORT_OTHER, "ssmtp reads the value up to a blank, '=' or '#'");
        value[length] = '\0';
    }
    if (key == KEYS)
        note_say(import, note, IMPORT_LEFT,
                 value ? "not taken over: ours has nothing that it could mean"
                       : "not taken over: ssmtp passes over a line without '='");
    else if (!value || !*value)
        note_say(import, note, IMPORT_SAME, "says nothing");
    else
        said_set(&reading->said[key], value, note);
    memory_wipe(copy, size);
    free(copy);
}

/* ---- what it means for us ---- */

static void take_names(struct reading *reading)
{
    struct import *import = reading->importing->import;
    const char *rewrite = value_of(reading, REWRITE), *at = strrchr(rewrite, '@');
    if (*rewrite)
        take_setting(import, reading->said[REWRITE].note, "mail", "", "domain",
                     at ? at + 1 : rewrite);
    if (strchr(value_of(reading, HOSTNAME), '.'))
        take_setting(import, reading->said[HOSTNAME].note, "mail", "", "hostname",
                     value_of(reading, HOSTNAME));
    else if (*value_of(reading, HOSTNAME))
        say(reading, HOSTNAME, IMPORT_OTHER,
            "not taken over: a name without a dot; ours asks the machine for its own");
    const char *domain = taken_value(import, "mail", "", "domain");
    if (!domain)
        domain = taken_value(import, "mail", "", "hostname");
    reading->domain =
        domain ? memory_copy(domain, strlen(domain)) : source_domain(reading->importing);
    say(reading, FROM_LINE, is_yes(reading, FROM_LINE) ? IMPORT_SAME : IMPORT_OTHER,
        is_yes(reading, FROM_LINE)
            ? "ours leaves a From: that is there"
            : "ours leaves a From: that is there, unless masquerade says otherwise");
}

static void take_root(struct reading *reading)
{
    struct import *import = reading->importing->import;
    const char *root = value_of(reading, ROOT);
    struct buffer target = {0};
    buffer_append_text(&target, root);
    if (*root && !strchr(root, '@') && reading->domain)
        buffer_format(&target, "@%s", reading->domain);
    if (*root && !strchr(buffer_text(&target), '@'))
        say(reading, ROOT, IMPORT_LEFT, "not taken over: nobody knows the domain of this machine");
    else if (*root && take_alias(import, reading->said[ROOT].note, "root", buffer_text(&target)))
        say(reading, ROOT, IMPORT_OTHER,
            "ssmtp sends mail for all users below uid 1000 there: give those that get any an alias "
            "to root");
    buffer_free(&target);
}

/* "host", "host:port". */
static void set_hub(struct foreign *account, const char *hub, size_t note, const struct said *port)
{
    struct buffer host = {0};
    size_t length = strcspn(hub, ":");
    buffer_append(&host, hub, length);
    said_set(&account->hosts, buffer_text(&host), note);
    buffer_free(&host);
    if (hub[length] && hub[length + 1])
        said_set(&account->port, hub + length + 1, note);
    else if (port->value)
        said_set(&account->port, port->value, port->note);
    else
        said_set(&account->port, "25", NOTE_NONE);
}

static void set_tls(struct reading *reading, struct foreign *account)
{
    bool starttls = is_yes(reading, USE_STARTTLS);
    if (starttls || is_yes(reading, USE_TLS))
        account->tls = starttls ? FOREIGN_STARTTLS : FOREIGN_IMPLICIT;
    foreign_said_tls(account, reading->said[USE_TLS].note);
    foreign_said_tls(account, reading->said[USE_STARTTLS].note);
    account->verified = reading->said[CA_FILE].value != NULL;
    said_set(&account->trust, reading->said[CA_FILE].value, reading->said[CA_FILE].note);
    if (is_yes(reading, USE_CERT) && reading->said[CERT].value) {
        enum key key = reading->said[KEY].value ? KEY : CERT;
        said_set(&account->certificate, value_of(reading, CERT), reading->said[CERT].note);
        said_set(&account->key, value_of(reading, key), reading->said[key].note);
        say(reading, USE_CERT, IMPORT_SAME, "tls_certificate says so");
    }
}

static void set_auth(struct reading *reading, struct foreign *account)
{
    const char *method = value_of(reading, AUTH_METHOD);
    if (!reading->said[AUTH_USER].value)
        return;
    said_set(&account->user, value_of(reading, AUTH_USER), reading->said[AUTH_USER].note);
    said_set(&account->password, reading->said[AUTH_PASS].value, reading->said[AUTH_PASS].note);
    if (text_equal(method, "cram-md5") || text_equal(method, "login")) {
        char *word = memory_copy(method, strlen(method));
        text_lower(word);
        said_set(&account->auth, word, reading->said[AUTH_METHOD].note);
        free(word);
    } else if (*method) {
        say(reading, AUTH_METHOD, IMPORT_OTHER, "ours takes the strongest that is offered");
    }
}

static void take_hub(struct reading *reading, const char *name, const char *sender, const char *hub,
                     size_t note)
{
    struct foreign account;
    foreign_begin(&account, "ssmtp", conf, name);
    said_set(&account.senders, sender, note);
    set_hub(&account, hub, note, &reading->said[REMOTEPORT]);
    set_tls(reading, &account);
    set_auth(reading, &account);
    foreign_take(reading->importing->import, &account);
    foreign_free(&account);
}

/* "account:address:hub:port", the last two as they like. */
static void take_reverse(struct reading *reading, char *text, size_t note)
{
    struct import *import = reading->importing->import;
    text[strcspn(text, "#")] = '\0';
    char *user = text_trim(text), *address = strchr(user, ':');
    if (address)
        *address++ = '\0';
    char *hub = address ? strchr(address, ':') : NULL;
    if (hub)
        *hub++ = '\0';
    if (!address || !*user || !*text_trim(address)) {
        note_say(import, note, IMPORT_LEFT, "not taken over: it is no account:address:mailhub");
        return;
    }
    address = text_trim(address);
    struct buffer rule = {0};
    buffer_format(&rule, "%s@%s: %s", user, reading->domain ? reading->domain : "*", address);
    take_setting(import, note, "mail", "", "masquerade", buffer_text(&rule));
    buffer_free(&rule);
    if (hub && *text_trim(hub) && strcmp(text_trim(hub), value_of(reading, MAILHUB)) != 0) {
        char *name = take_name(import, user);
        take_hub(reading, name, address, text_trim(hub), note);
        free(name);
    }
}

static void take_reverse_aliases(struct reading *reading)
{
    struct source source;
    struct source_line line;
    bool there = source_open(reading->importing, reverse, SOURCE_MAYBE, &source);
    while (there && source_next(reading->importing, &source, SOURCE_PLAIN, &line))
        take_reverse(reading, line.text, source_note(reading->importing, &source, &line, NULL));
    source_free(&source);
}

void import_ssmtp(struct importing *importing)
{
    struct reading reading = {.importing = importing};
    struct source source;
    struct source_line line;
    for (enum key key = 0; key < KEYS; key++)
        said_free(&reading.said[key]);
    bool there = source_open(importing, conf, SOURCE_MAIN, &source);
    if (!there && outcome_good(&importing->outcome))
        importing->outcome =
            outcome_refuse(EX_NOINPUT, "there is no %s: has ssmtp settings here?", conf);
    while (there && source_next(importing, &source, SOURCE_PLAIN, &line))
        take_line(&reading, &source, &line);
    source_free(&source);
    if (there) {
        take_names(&reading);
        take_root(&reading);
        if (reading.said[MAILHUB].value)
            take_hub(&reading, "", NULL, value_of(&reading, MAILHUB), reading.said[MAILHUB].note);
        else
            note_file(importing->import, conf, IMPORT_LEFT,
                      "names no mailhub: ssmtp sends to a host named mail, ours keeps mail until "
                      "there is a [smarthost]");
        take_reverse_aliases(&reading);
        note_rest(importing->import, 0, IMPORT_SAME,
                  "means nothing here: a later line, or what it belongs to, says otherwise");
    }
    for (enum key key = 0; key < KEYS; key++)
        said_free(&reading.said[key]);
    free(reading.domain);
}

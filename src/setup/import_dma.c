/*
 * The DragonFly Mail Agent: dma(8), its dma.conf and auth.conf as version 0.13 reads them: '#' ends
 * a line wherever it stands, a switch is on when it stands there. It looks at no certificate, but
 * for a fingerprint.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_account.h"
#include "setup/import_aliases.h"
#include "setup/import_programs.h"

static const char conf[] = "/etc/dma/dma.conf";

enum key {
    SMARTHOST,
    PORT,
    ALIASES,
    SPOOLDIR,
    AUTHPATH,
    CERTFILE,
    MAILNAME,
    MASQUERADE,
    FINGERPRINT,
    SWITCHES,
    STARTTLS = SWITCHES,
    OPPORTUNISTIC,
    SECURETRANSFER,
    SECURE,
    INSECURE,
    DEFER,
    FULLBOUNCE,
    NULLCLIENT,
    KEYS
};

static const char *const names[KEYS] = {
    "SMARTHOST", "PORT",       "ALIASES",     "SPOOLDIR",   "AUTHPATH",          "CERTFILE",
    "MAILNAME",  "MASQUERADE", "FINGERPRINT", "STARTTLS",   "OPPORTUNISTIC_TLS", "SECURETRANSFER",
    "SECURE",    "INSECURE",   "DEFER",       "FULLBOUNCE", "NULLCLIENT"};

struct reading {
    struct importing *importing;
    struct said said[KEYS];
    struct said user, password; /* of auth.conf, for the smarthost */
};

static const char *value_of(const struct reading *reading, enum key key)
{
    return reading->said[key].value ? reading->said[key].value : "";
}

static bool is_on(const struct reading *reading, enum key key)
{
    return reading->said[key].value != NULL;
}

static void say(struct reading *reading, enum key key, enum import_mark mark, const char *words)
{
    note_say(reading->importing->import, reading->said[key].note, mark, "%s", words);
}

/* ---- its lines ---- */

static void take_line(struct reading *reading, const struct source *source,
                      struct source_line *line)
{
    struct import *import = reading->importing->import;
    size_t note = source_note(reading->importing, source, line, NULL);
    char *text = line->text;
    text[strcspn(text, "#")] = '\0';
    bool indented = strchr(" \t", *text) != NULL;
    char *value = text;
    const char *name = source_split(&value);
    value = text_trim(value);
    enum key key = 0;
    while (key < KEYS && strcmp(names[key], name) != 0)
        key++;
    if (indented)
        note_say(import, note, IMPORT_LEFT, "not taken over: dma passes over an indented line");
    else if (key == KEYS)
        note_say(import, note, IMPORT_LEFT, "not taken over: dma does not know it");
    else if ((key < SWITCHES) != (*value != '\0'))
        note_say(import, note, IMPORT_LEFT,
                 key < SWITCHES ? "says nothing" : "not taken over: a switch has no value");
    else
        said_set(&reading->said[key], value, note);
}

/* "user|host:password"; of several for a host the last one counts. */
static void take_auth_line(struct reading *reading, const struct source *source,
                           struct source_line *line)
{
    struct import *import = reading->importing->import;
    char *bar = strchr(line->text, '|');
    char *host = bar ? bar + 1 : NULL;
    char *password = host ? host + strcspn(host, ": \t") : NULL;
    struct buffer shown = {0};
    if (password && *password)
        buffer_append(&shown, line->text, (size_t)(password - line->text) + 1);
    buffer_append_text(&shown, "****");
    size_t note = source_note(reading->importing, source, line, buffer_text(&shown));
    buffer_free(&shown);
    if (!password || !*password) {
        note_say(import, note, IMPORT_LEFT, "not taken over: it is no user|host:password");
        return;
    }
    *bar = *password++ = '\0';
    if (strcmp(host, value_of(reading, SMARTHOST)) != 0) {
        note_say(import, note, IMPORT_LEFT,
                 "not taken over: it is for a host that is not SMARTHOST, and ours signs in at a "
                 "smarthost alone");
        return;
    }
    note_say(import, reading->user.note, IMPORT_SAME, "a later line for this host counts");
    said_set(&reading->user, line->text, note);
    said_set(&reading->password, password, note);
}

static void read_auth(struct reading *reading)
{
    struct source source;
    struct source_line line;
    const char *path = value_of(reading, AUTHPATH);
    if (!*path)
        return;
    bool there = source_open(reading->importing, path, SOURCE_NAMED, &source);
    while (there && source_next(reading->importing, &source, SOURCE_PLAIN, &line))
        take_auth_line(reading, &source, &line);
    source_free(&source);
    say(reading, AUTHPATH, there ? IMPORT_SAME : IMPORT_LEFT,
        there ? "its lines are read" : "not taken over: it cannot be read");
}

/* ---- what it means for us ---- */

static void take_name_of_mail(struct reading *reading)
{
    struct import *import = reading->importing->import;
    const char *name = value_of(reading, MAILNAME);
    if (*name == '/') {
        size_t note;
        char *word = source_word(reading->importing, name, SOURCE_NAMED, &note);
        if (strcmp(name, "/etc/mailname") == 0)
            say(reading, MAILNAME, IMPORT_SAME, "ours reads it, too, for the domain of senders");
        else if (word)
            take_setting(import, reading->said[MAILNAME].note, "mail", "", "domain", word);
        note_say(import, note, IMPORT_SAME, "it is the domain of senders");
        free(word);
    } else if (*name) {
        take_setting(import, reading->said[MAILNAME].note, "mail", "", "hostname", name);
        take_setting(import, reading->said[MAILNAME].note, "mail", "", "domain", name);
    }
}

/* "user@host", "user@", "host". */
static void take_masquerade(struct reading *reading)
{
    struct import *import = reading->importing->import;
    const char *text = value_of(reading, MASQUERADE), *at = strrchr(text, '@');
    size_t note = reading->said[MASQUERADE].note;
    if (*text && !at) {
        if (take_setting(import, note, "mail", "", "domain", text))
            say(reading, MASQUERADE, IMPORT_OTHER,
                "dma changes senders with a domain of their own as well; a rule of masquerade does "
                "that");
    } else if (at) {
        const char *known = taken_value(import, "mail", "", "domain");
        char *own = known ? memory_copy(known, strlen(known)) : source_domain(reading->importing);
        struct buffer rule = {0};
        buffer_format(&rule, "*: %s", text);
        if (!at[1] && own)
            buffer_append_text(&rule, own);
        if (at == text)
            take_setting(import, note, "mail", "", "domain", at + 1);
        else if (!at[1] && !own)
            say(reading, MASQUERADE, IMPORT_LEFT,
                "not taken over: nobody knows the domain of this machine");
        else if (take_setting(import, note, "mail", "", "masquerade", buffer_text(&rule)))
            say(reading, MASQUERADE, IMPORT_OTHER,
                "dma changes the envelope alone, ours From: as well");
        buffer_free(&rule);
        free(own);
    }
}

static enum foreign_tls tls_of(const struct reading *reading)
{
    if (!is_on(reading, SECURETRANSFER))
        return FOREIGN_CLEAR;
    if (!is_on(reading, STARTTLS))
        return FOREIGN_IMPLICIT;
    return is_on(reading, OPPORTUNISTIC) ? FOREIGN_MAY : FOREIGN_STARTTLS;
}

static void take_smarthost(struct reading *reading)
{
    struct foreign account;
    foreign_begin(&account, "dma", conf, "");
    said_set(&account.hosts, value_of(reading, SMARTHOST), reading->said[SMARTHOST].note);
    if (is_on(reading, PORT))
        said_set(&account.port, value_of(reading, PORT), reading->said[PORT].note);
    else
        said_set(&account.port, "25", NOTE_NONE);
    account.tls = tls_of(reading);
    for (enum key key = STARTTLS; key <= SECURETRANSFER; key++)
        foreign_said_tls(&account, reading->said[key].note);
    account.verified = false;
    if (account.tls != FOREIGN_CLEAR)
        said_set(&account.fingerprint, reading->said[FINGERPRINT].value,
                 reading->said[FINGERPRINT].note);
    said_set(&account.certificate, reading->said[CERTFILE].value, reading->said[CERTFILE].note);
    said_set(&account.key, reading->said[CERTFILE].value, reading->said[CERTFILE].note);
    said_set(&account.user, reading->user.value, reading->user.note);
    said_set(&account.password, reading->password.value, reading->password.note);
    foreign_take(reading->importing->import, &account);
    foreign_free(&account);
}

/* Without a smarthost it asks the DNS. */
static void take_direct(struct reading *reading)
{
    struct import *import = reading->importing->import;
    note_file(import, conf, IMPORT_TAKEN,
              "names no SMARTHOST: dma asks the DNS for each domain's own hosts, and so does ours "
              "by [route \"*\"] via = mx");
    route_take(import, NOTE_NONE, "*", "mx");
    take_setting(import, reading->said[PORT].note, "route", "*", "port",
                 is_on(reading, PORT) ? value_of(reading, PORT) : "25");
    enum foreign_tls tls = tls_of(reading);
    route_take_tls(import, "*", "dma", tls,
                   reading->said[is_on(reading, STARTTLS) ? STARTTLS : SECURETRANSFER].note);
    for (enum key key = STARTTLS; key <= SECURETRANSFER; key++)
        take_credit(import, reading->said[key].note, "route", "*", "tls");
}

static void take_rest(struct reading *reading)
{
    if (is_on(reading, ALIASES))
        aliases_take(reading->importing, reading->said[ALIASES].note, value_of(reading, ALIASES),
                     "*");
    say(reading, SPOOLDIR, IMPORT_SAME,
        "ours has a queue of its own; what waits in that one does "
        "not come along");
    say(reading, SECURE, IMPORT_SAME, "ours gives no password away without TLS");
    say(reading, INSECURE, IMPORT_OTHER,
        "not taken over: ours gives no password away without TLS, but to this very machine");
    say(reading, DEFER, IMPORT_LEFT,
        "not taken over: ours sends at once; sendmail -odq leaves a message for the next queue "
        "run");
    say(reading, FULLBOUNCE, IMPORT_LEFT,
        "not taken over: ours returns what the sender asks for (sendmail -R)");
    say(reading, NULLCLIENT, IMPORT_OTHER,
        "ours keeps mail for names of this machine here unless an alias leads elsewhere; a "
        "domain that is to go out must not be among local_domains");
}

void import_dma(struct importing *importing)
{
    struct reading reading = {.importing = importing};
    struct source source;
    struct source_line line;
    for (enum key key = 0; key < KEYS; key++)
        said_free(&reading.said[key]);
    said_free(&reading.user);
    said_free(&reading.password);
    bool there = source_open(importing, conf, SOURCE_MAIN, &source);
    if (!there && outcome_good(&importing->outcome))
        importing->outcome =
            outcome_refuse(EX_NOINPUT, "there is no %s: has dma settings here?", conf);
    while (there && source_next(importing, &source, SOURCE_PLAIN, &line))
        take_line(&reading, &source, &line);
    source_free(&source);
    if (there) {
        read_auth(&reading);
        take_name_of_mail(&reading);
        take_masquerade(&reading);
        if (*value_of(&reading, SMARTHOST))
            take_smarthost(&reading);
        else
            take_direct(&reading);
        take_rest(&reading);
        note_rest(importing->import, 0, IMPORT_SAME,
                  "means nothing here: a later line, or what it belongs to, says otherwise");
    }
    for (enum key key = 0; key < KEYS; key++)
        said_free(&reading.said[key]);
    said_free(&reading.user);
    said_free(&reading.password);
}

/*
 * See import_account.h. A password never goes without TLS to another machine, and a certificate is
 * looked at unless somebody says otherwise to us: what another program did about that is told.
 */
#include "setup/import_account.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "config/host.h"
#include "config/values.h"

static const char section[] = "smarthost";

void foreign_begin(struct foreign *account, const char *program, const char *file, const char *name)
{
    *account = (struct foreign){
        .program = program, .file = file, .name = name, .verified = true, .verify_note = NOTE_NONE};
    foreign_free(account);
}

void said_set(struct said *said, const char *value, size_t note)
{
    said_free(said);
    said->value = value ? memory_copy(value, strlen(value)) : NULL;
    said->note = note;
}

void said_free(struct said *said)
{
    if (said->value)
        memory_wipe(said->value, strlen(said->value));
    free(said->value);
    *said = (struct said){.note = NOTE_NONE};
}

void foreign_said_tls(struct foreign *account, size_t note)
{
    size_t most = sizeof account->tls_notes / sizeof account->tls_notes[0];
    if (note != NOTE_NONE && account->tls_note_count < most)
        account->tls_notes[account->tls_note_count++] = note;
}

void foreign_free(struct foreign *account)
{
    struct said *all[] = {&account->senders,
                          &account->hosts,
                          &account->port,
                          &account->trust,
                          &account->fingerprint,
                          &account->certificate,
                          &account->key,
                          &account->auth,
                          &account->user,
                          &account->password,
                          &account->password_command};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        said_free(all[i]);
}

bool foreign_trusts_system(const char *path)
{
    static const char *const paths[] = {
        "system",          "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs",
        "/etc/ssl/certs/", "/etc/pki/tls/certs/ca-bundle.crt",   "/etc/ssl/cert.pem"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (strcmp(path, paths[i]) == 0)
            return true;
    return false;
}

static bool take(struct import *import, const struct foreign *account, const char *key,
                 const struct said *said)
{
    return said->value &&
           take_setting(import, said->note, section, account->name, key, said->value);
}

/* In the form in which senders are compared. The caller frees. */
static char *plain_sender(const char *text)
{
    struct buffer sender = {0};
    const char *why;
    if (!value_parse_sender(text, &sender, &why))
        buffer_clear(&sender);
    return buffer_take(&sender);
}

static bool is_given_away(const struct import *import, const char *sender)
{
    bool given = false;
    char *plain = plain_sender(sender);
    for (size_t i = 0; i < import->settings.count && !given; i++) {
        const struct import_value *value = &import->settings.items[i];
        struct texts others = {0};
        if (strcmp(value->section, section) == 0 && strcmp(value->key, "senders") == 0)
            texts_split(&others, value->value);
        for (size_t k = 0; k < others.count && !given; k++) {
            char *other = plain_sender(others.items[k]);
            given = text_equal(plain, other);
            free(other);
        }
        texts_free(&others);
    }
    free(plain);
    return given;
}

static void take_senders(struct import *import, const struct foreign *account)
{
    struct texts items = {0};
    if (account->senders.value)
        texts_split(&items, account->senders.value);
    for (size_t i = 0; i < items.count; i++) {
        if (is_given_away(import, items.items[i]))
            note_say(import, account->senders.note, IMPORT_LEFT,
                     "%s is not taken over: an account above has it already", items.items[i]);
        else
            take_setting(import, account->senders.note, section, account->name, "senders",
                         items.items[i]);
    }
    texts_free(&items);
}

static bool is_on_loopback(const char *hosts)
{
    struct texts items = {0};
    texts_split(&items, hosts);
    bool all = items.count > 0;
    for (size_t i = 0; i < items.count && all; i++) {
        struct host host;
        const char *why;
        all = host_parse(items.items[i], &host, &why) && host_is_loopback(host.name);
        free(host.name);
    }
    texts_free(&items);
    return all;
}

static bool signs_in(const struct foreign *account)
{
    if (account->auth.value && strcmp(account->auth.value, "off") == 0)
        return false;
    return account->user.value ||
           (account->auth.value && strcmp(account->auth.value, "external") == 0);
}

/* About TLS: on the lines that said so, else on the file. */
static void say_tls(struct import *import, const struct foreign *account, enum import_mark mark,
                    const char *words)
{
    for (size_t i = 0; i < account->tls_note_count; i++)
        note_say(import, account->tls_notes[i], mark, "%s", words);
    if (account->tls_note_count == 0)
        note_file(import, account->file, mark, "%s", words);
}

static void credit_tls(struct import *import, const struct foreign *account)
{
    for (size_t i = 0; i < account->tls_note_count; i++)
        take_credit(import, account->tls_notes[i], section, account->name, "tls");
}

/* "PROGRAM sends in clear ..." */
static void say_clear(struct import *import, const struct foreign *account, const char *what)
{
    struct buffer words = {0};
    buffer_format(&words, "%s %s to %s: ", account->program, what, account->hosts.value);
    buffer_append_text(&words,
                       signs_in(account)
                           ? "ours gives no password away without TLS and a certificate that is "
                             "valid, so that it says tls = starttls; if the host has no TLS take "
                             "user out, and set tls = off"
                           : "ours says tls = starttls, and wants a certificate that is valid; if "
                             "the host has none set tls = opportunistic, or off");
    say_tls(import, account, IMPORT_OTHER, buffer_text(&words));
    buffer_free(&words);
}

/* The word for our settings. */
static const char *choose_tls(struct import *import, const struct foreign *account)
{
    switch (account->tls) {
    case FOREIGN_IMPLICIT:
        return "implicit";
    case FOREIGN_CLEAR:
        if (is_on_loopback(account->hosts.value) && !account->fingerprint.value &&
            !account->certificate.value)
            return "off";
        say_clear(import, account, "sends in clear");
        return "starttls";
    case FOREIGN_MAY:
        if (!signs_in(account) && !account->fingerprint.value)
            return "opportunistic";
        say_clear(import, account, "sends in clear when it is offered no TLS");
        return "starttls";
    case FOREIGN_STARTTLS:
        break;
    }
    return "starttls";
}

static void take_tls(struct import *import, const struct foreign *account)
{
    const char *tls = choose_tls(import, account);
    take_setting(import, NOTE_NONE, section, account->name, "tls", tls);
    bool secure = strcmp(tls, "starttls") == 0 || strcmp(tls, "implicit") == 0;
    if ((account->tls == FOREIGN_STARTTLS || account->tls == FOREIGN_IMPLICIT) == secure)
        credit_tls(import, account);
    if (account->trust.value && foreign_trusts_system(account->trust.value))
        note_say(import, account->trust.note, IMPORT_SAME,
                 "ours trusts the certificates of the system, too");
    else if (secure)
        take(import, account, "tls_trust", &account->trust);
    if (!secure || account->verified)
        return;
    const char *words =
        account->fingerprint.value
            ? "ours looks at the fingerprint all the same"
            : "certificates are not looked at there; with ours they must be valid, and for this "
              "host: if this one is not, name its authority with tls_trust, or pin it with "
              "tls_fingerprint";
    if (account->verify_note != NOTE_NONE)
        note_say(import, account->verify_note, IMPORT_OTHER, "%s", words);
    else
        say_tls(import, account, IMPORT_OTHER, words);
}

static void take_certificate(struct import *import, const struct foreign *account)
{
    const struct said *certificate = &account->certificate, *key = &account->key;
    char *why = NULL;
    bool pair = certificate->value && key->value &&
                take_would(section, account->name, "tls_certificate", certificate->value, &why) &&
                take_would(section, account->name, "tls_key", key->value, &why);
    if (pair) {
        take(import, account, "tls_certificate", certificate);
        take(import, account, "tls_key", key);
        return;
    }
    const char *words = why ? why : "a certificate and its key go together";
    if (certificate->value)
        note_say(import, certificate->note, IMPORT_LEFT, "not taken over: %s", words);
    if (key->value)
        note_say(import, key->note, IMPORT_LEFT, "not taken over: %s", words);
    free(why);
}

static void take_sign_in(struct import *import, const struct foreign *account)
{
    bool external = account->auth.value && strcmp(account->auth.value, "external") == 0;
    bool certified = taken_value(import, section, account->name, "tls_key") != NULL;
    if (!account->user.value && !external) {
        note_say(import, account->password.note, IMPORT_LEFT,
                 "not taken over: there is no user to sign in");
        note_say(import, account->password_command.note, IMPORT_LEFT,
                 "not taken over: there is no user to sign in");
    }
    if (account->user.value && !take(import, account, "user", &account->user))
        return;
    if (external && !certified)
        note_say(import, account->auth.note, IMPORT_LEFT,
                 "not taken over: external needs a certificate and its key");
    else if (external || account->user.value ||
             (account->auth.value && strcmp(account->auth.value, "off") == 0))
        take(import, account, "auth", &account->auth);
    else if (account->auth.value)
        note_say(import, account->auth.note, IMPORT_LEFT,
                 "not taken over: there is no user to sign in");
    if (!account->user.value)
        return;
    if (account->password_command.value)
        take(import, account, "password_command", &account->password_command);
    if (account->password.value)
        take_password(import, account->password.note, account->name, account->password.value);
}

bool foreign_take(struct import *import, struct foreign *account)
{
    char *why;
    if (!account->hosts.value || !*account->hosts.value)
        return false;
    if (!take_would(section, account->name, "host", account->hosts.value, &why)) {
        note_say(import, account->hosts.note, IMPORT_LEFT,
                 "not taken over, as our settings say: %s", why);
        free(why);
        return false;
    }
    take_senders(import, account);
    take(import, account, "host", &account->hosts);
    take(import, account, "port", &account->port);
    /* A pin that is none must not be missed silently: what is left is the usual look. */
    if (account->fingerprint.value &&
        !take_would(section, account->name, "tls_fingerprint", account->fingerprint.value, &why)) {
        note_say(import, account->fingerprint.note, IMPORT_LEFT, "not taken over: %s", why);
        free(why);
        said_free(&account->fingerprint);
    }
    bool certified = account->certificate.value && account->key.value;
    if (!certified && account->auth.value && strcmp(account->auth.value, "external") == 0 &&
        !account->user.value) {
        note_say(import, account->auth.note, IMPORT_LEFT,
                 "not taken over: external needs a certificate and its key");
        said_free(&account->auth);
    }
    take_tls(import, account);
    take(import, account, "tls_fingerprint", &account->fingerprint);
    take_certificate(import, account);
    take_sign_in(import, account);
    return true;
}

bool route_take(struct import *import, size_t note, const char *pattern, const char *via)
{
    if (!taken_value(import, "route", pattern, "via"))
        return take_setting(import, note, "route", pattern, "via", via);
    note_say(import, note, IMPORT_LEFT, "not taken over: there is a way for %s above", pattern);
    return false;
}

void route_take_tls(struct import *import, const char *pattern, const char *program,
                    enum foreign_tls tls, size_t note)
{
    static const char *const words[] = {[FOREIGN_CLEAR] = "opportunistic",
                                        [FOREIGN_MAY] = "opportunistic",
                                        [FOREIGN_STARTTLS] = "starttls",
                                        [FOREIGN_IMPLICIT] = "implicit"};
    take_setting(import, NOTE_NONE, "route", pattern, "tls", words[tls]);
    if (tls == FOREIGN_CLEAR)
        note_say(import, note, IMPORT_OTHER,
                 "%s sends it in clear, ours with TLS where that is offered", program);
}

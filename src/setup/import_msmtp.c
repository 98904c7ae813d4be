/*
 * msmtp: msmtprc(5), as its version 1.8 reads it. Accounts inherit from each other and from
 * defaults, so that one line may be said of many of them, or of none. Commands are never run.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_msmtp.h"
#include "setup/import_programs.h"

/* In that order; behind them those that have nothing with us, and why. */
static const struct {
    const char *name;
    const char *why;
} commands[] = {
    {"host", NULL},
    {"port", NULL},
    {"from", NULL},
    {"auth", NULL},
    {"user", NULL},
    {"password", NULL},
    {"passwordeval", NULL},
    {"tls", NULL},
    {"tls_starttls", NULL},
    {"tls_trust_file", NULL},
    {"tls_fingerprint", NULL},
    {"tls_cert_file", NULL},
    {"tls_key_file", NULL},
    {"tls_certcheck", NULL},
    {"domain", NULL},
    {"protocol", NULL},
    {"aliases", NULL},
    {"auto_from", NULL},
    {"maildomain", NULL},
    {"allow_from_override", NULL},
    {"set_from_header", NULL},
    {"set_date_header", NULL},
    {"set_msgid_header", NULL},
    {"remove_bcc_headers", NULL},
    {"undisclosed_recipients", NULL},
    {"logfile", NULL},
    {"syslog", NULL},
    {"socket", NULL},
    {"timeout", "ours has the time limits of RFC 5321"},
    {"connect_timeout", "ours has the time limits of RFC 5321"},
    {"source_ip", "ours has no source address of its own: a route of the kernel can have one (ip "
                  "route ... src ADDRESS)"},
    {"proxy_host", "ours knows no proxy"},
    {"proxy_port", "ours knows no proxy"},
    {"ntlmdomain", "ours does not know NTLM"},
    {"tls_crl_file", "ours reads no revocation lists"},
    {"tls_priorities", "ours has TLS 1.2 and later, with GnuTLS's own choice of ciphers"},
    {"tls_min_dh_prime_bits", "ours has what GnuTLS takes for secure"},
    {"tls_host_override", "ours wants a certificate for the name of host; for another one pin it "
                          "with tls_fingerprint"},
    {"dsn_notify", "ours asks for what its caller asks for (sendmail -N)"},
    {"dsn_return", "ours asks for what its caller asks for (sendmail -R)"},
    {"logfile_time_format", "the log of ours has one form"},
    {"add_missing_from_header", "ours adds what a message must have"},
    {"add_missing_date_header", "ours adds what a message must have"},
    {"keepbcc", "ours takes Bcc out of what it sends"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };
_Static_assert(MSMTP_COMMANDS == 28, "the table is in the order of the enum");

static void begin_account(struct msmtp_account *account)
{
    *account = (struct msmtp_account){.note = NOTE_NONE};
    for (size_t i = 0; i < MSMTP_COMMANDS; i++)
        account->said[i].note = NOTE_NONE;
}

static void free_account(struct msmtp_account *account)
{
    free(account->name);
    for (size_t i = 0; i < MSMTP_COMMANDS; i++)
        said_free(&account->said[i]);
}

/* What a parent has of the defaults of its own time is not passed on. */
static void inherit(struct msmtp_account *account, const struct msmtp_account *from,
                    bool from_defaults)
{
    for (size_t i = 0; i < MSMTP_COMMANDS; i++)
        if (from->said[i].value && (from_defaults || from->own[i])) {
            said_set(&account->said[i], from->said[i].value, from->said[i].note);
            account->own[i] = !from_defaults;
        }
}

static struct msmtp_account *find_account(const struct msmtp *reading, const char *name)
{
    for (size_t i = 0; i < reading->count; i++)
        if (strcmp(reading->accounts[i].name, name) == 0)
            return &reading->accounts[i];
    return NULL;
}

static void drop_account(struct msmtp *reading, struct msmtp_account *account)
{
    free_account(account);
    size_t at = (size_t)(account - reading->accounts);
    reading->count--;
    memmove(account, account + 1, (reading->count - at) * sizeof *account);
}

/* One more account, with what the defaults say by now; it counts instead of one of the same name in
 * another file. */
static struct msmtp_account *add_account(struct msmtp *reading, const char *name, size_t note)
{
    struct msmtp_account *older = find_account(reading, name);
    if (older) {
        note_say(reading->importing->import, older->note, IMPORT_SAME,
                 "an account of the same name in %s counts", reading->file);
        drop_account(reading, older);
    }
    reading->accounts =
        memory_resize(reading->accounts, (reading->count + 1) * sizeof *reading->accounts);
    struct msmtp_account *account = &reading->accounts[reading->count];
    begin_account(account);
    account->name = memory_copy(name, strlen(name));
    account->note = note;
    account->file = reading->file;
    inherit(account, &reading->defaults, true);
    reading->current = reading->count++;
    return account;
}

/* "name", "name : other, another". */
static void take_account_line(struct msmtp *reading, char *text, size_t note)
{
    struct import *import = reading->importing->import;
    char *colon = strchr(text, ':');
    if (colon)
        *colon = '\0';
    const char *name = text_trim(text);
    struct msmtp_account *older = find_account(reading, name);
    if (!*name || (older && older->file == reading->file)) {
        note_say(import, note, IMPORT_LEFT,
                 *name ? "not taken over: there is an account of this name above; msmtp refuses it"
                       : "not taken over: an account without a name");
        reading->current = MSMTP_NOWHERE;
        return;
    }
    struct msmtp_account *account = add_account(reading, name, note);
    struct texts parents = {0};
    if (colon)
        texts_split(&parents, colon + 1);
    for (size_t i = 0; i < parents.count; i++) {
        const struct msmtp_account *parent = find_account(reading, parents.items[i]);
        if (parent && parent != account)
            inherit(account, parent, false);
        else
            note_say(import, note, IMPORT_OTHER, "there is no account %s above", parents.items[i]);
    }
    texts_free(&parents);
}

static size_t find_command(const char *name)
{
    size_t i = 0;
    while (i < COMMANDS && strcmp(commands[i].name, name) != 0)
        i++;
    return i;
}

/* Quotes around the whole argument go. */
static char *unquote(char *argument)
{
    size_t length = strlen(argument);
    if (length < 2 || argument[0] != '"' || argument[length - 1] != '"')
        return argument;
    argument[length - 1] = '\0';
    return argument + 1;
}

/* What is said of the account that we are in. */
static void put(struct msmtp *reading, size_t command, const char *argument, size_t note)
{
    if (reading->current == MSMTP_NOWHERE)
        return;
    if (reading->current == MSMTP_BEGIN)
        add_account(reading, "default", NOTE_NONE);
    struct msmtp_account *account = reading->current == MSMTP_DEFAULTS
                                        ? &reading->defaults
                                        : &reading->accounts[reading->current];
    said_set(&account->said[command], argument, note);
    account->own[command] = reading->current != MSMTP_DEFAULTS;
}

static void take_line(struct msmtp *reading, const struct source *source, struct source_line *line)
{
    struct import *import = reading->importing->import;
    char *whole = memory_copy(line->text, strlen(line->text));
    char *argument = whole;
    const char *name = source_split(&argument);
    argument = unquote(text_trim(argument));
    size_t command = find_command(name);
    bool known = command < COMMANDS && command != MSMTP_PASSWORD && command != MSMTP_PASSWORDEVAL;
    struct buffer shown = {0};
    buffer_format(&shown, "%s%s", name,
                  known || strcmp(name, "account") == 0 || strcmp(name, "defaults") == 0 ||
                          !*argument
                      ? ""
                      : " ****");
    bool masked = buffer_text(&shown)[strlen(name)] != '\0';
    size_t note = source_note(reading->importing, source, line,
                              masked ? buffer_text(&shown) : text_trim(line->text));
    buffer_free(&shown);
    if (strcmp(name, "defaults") == 0) {
        reading->current = MSMTP_DEFAULTS;
        note_say(import, note, IMPORT_SAME, "what follows is said with each account");
    } else if (strcmp(name, "account") == 0) {
        take_account_line(reading, argument, note);
    } else if (strcmp(name, "eval") == 0) {
        note_say(import, note, IMPORT_LEFT,
                 "not taken over: no command is run here; set what it prints by hand");
    } else if (command == COMMANDS) {
        note_say(import, note, IMPORT_LEFT, "not taken over: msmtp does not know it");
    } else if (command >= MSMTP_COMMANDS) {
        note_say(import, note, IMPORT_LEFT, "not taken over: %s", commands[command].why);
    } else {
        put(reading, command, argument, note);
    }
    memory_wipe(whole, strlen(line->text));
    free(whole);
}

static bool read_file(struct msmtp *reading, const char *path)
{
    struct source source;
    struct source_line line;
    bool there = source_open(reading->importing, path, SOURCE_MAIN, &source);
    /* Names of files are compared by their place, and outlive the source. */
    reading->file = path;
    reading->current = MSMTP_BEGIN;
    free_account(&reading->defaults);
    begin_account(&reading->defaults);
    while (there && source_next(reading->importing, &source, SOURCE_PLAIN, &line))
        take_line(reading, &source, &line);
    source_free(&source);
    return there;
}

void import_msmtp(struct importing *importing)
{
    static const char system[] = "/etc/msmtprc";
    struct msmtp reading = {.importing = importing};
    struct buffer paths[2] = {{0}, {0}};
    begin_account(&reading.defaults);
    bool any = read_file(&reading, system);
    if (importing->home) {
        buffer_format(&paths[0], "%s/.msmtprc", importing->home);
        buffer_format(&paths[1], "%s/.config/msmtp/config", importing->home);
        reading.users = read_file(&reading, buffer_text(&paths[0])) ||
                        read_file(&reading, buffer_text(&paths[1]));
    }
    if (!any && !reading.users && outcome_good(&importing->outcome))
        importing->outcome = outcome_refuse(
            EX_NOINPUT, "there is neither %s nor a .msmtprc of the user: has msmtp settings here?",
            system);
    msmtp_take(&reading);
    if ((any || reading.users) && importing->import->settings.count == 0 &&
        outcome_good(&importing->outcome))
        note_file(importing->import, any ? system : buffer_text(&paths[0]), IMPORT_LEFT,
                  "has no account that could be taken over");
    for (size_t i = 0; i < reading.count; i++)
        free_account(&reading.accounts[i]);
    free(reading.accounts);
    free_account(&reading.defaults);
    buffer_free(&paths[0]);
    buffer_free(&paths[1]);
}

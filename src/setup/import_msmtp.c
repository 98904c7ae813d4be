/*
 * msmtp: msmtprc(5), as its version 1.8 reads it. Accounts inherit from each other and from
 * defaults, so that one line may be said of many of them, or of none. Commands are never run.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_account.h"
#include "setup/import_aliases.h"
#include "setup/import_command.h"
#include "setup/import_programs.h"

/* What an account is told. */
enum command {
    HOST,
    PORT,
    FROM,
    AUTH,
    USER,
    PASSWORD,
    PASSWORDEVAL,
    TLS,
    STARTTLS,
    TRUST,
    FINGERPRINT,
    CERT,
    KEY,
    CERTCHECK,
    DOMAIN,
    PROTOCOL,
    ALIASES,
    AUTO_FROM,
    MAILDOMAIN,
    OVERRIDE,
    SET_FROM,
    SET_DATE,
    SET_MSGID,
    REMOVE_BCC,
    UNDISCLOSED,
    LOGFILE,
    SYSLOG,
    SOCKET,
    OTHERS_BEGIN
};

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
_Static_assert(OTHERS_BEGIN == 28, "the table is in the order of the enum");

struct msmtp_account {
    char *name;         /* NULL: the defaults of a file */
    size_t note;        /* of its account line */
    size_t parent_note; /* likewise, when it took over from others there */
    const char *file;
    struct said said[OTHERS_BEGIN];
};

struct reading {
    struct importing *importing;
    struct msmtp_account *accounts;
    size_t count;
    struct msmtp_account defaults;
    size_t current; /* of accounts; SIZE_MAX: the defaults */
    const char *file;
    bool users; /* the file is a user's own */
};

static void begin_account(struct msmtp_account *account)
{
    *account = (struct msmtp_account){.note = NOTE_NONE};
    for (size_t i = 0; i < OTHERS_BEGIN; i++)
        account->said[i].note = NOTE_NONE;
}

static void free_account(struct msmtp_account *account)
{
    free(account->name);
    for (size_t i = 0; i < OTHERS_BEGIN; i++)
        said_free(&account->said[i]);
}

static void inherit(struct msmtp_account *account, const struct msmtp_account *from)
{
    for (size_t i = 0; i < OTHERS_BEGIN; i++)
        if (from->said[i].value)
            said_set(&account->said[i], from->said[i].value, from->said[i].note);
}

static struct msmtp_account *find_account(const struct reading *reading, const char *name)
{
    for (size_t i = 0; i < reading->count; i++)
        if (strcmp(reading->accounts[i].name, name) == 0)
            return &reading->accounts[i];
    return NULL;
}

static void drop_account(struct reading *reading, struct msmtp_account *account)
{
    free_account(account);
    size_t at = (size_t)(account - reading->accounts);
    reading->count--;
    memmove(account, account + 1, (reading->count - at) * sizeof *account);
}

/* "name", "name : other, another". */
static void take_account_line(struct reading *reading, char *text, size_t note)
{
    struct import *import = reading->importing->import;
    char *colon = strchr(text, ':');
    if (colon)
        *colon = '\0';
    char *name = text_trim(text);
    struct msmtp_account *older = find_account(reading, name);
    if (!*name || (older && older->file == reading->file)) {
        note_say(import, note, IMPORT_LEFT,
                 *name ? "not taken over: there is an account of this name above; msmtp refuses it"
                       : "not taken over: an account without a name");
        reading->current = SIZE_MAX - 1;
        return;
    }
    if (older) {
        note_say(import, older->note, IMPORT_SAME, "an account of the same name in %s counts",
                 reading->file);
        drop_account(reading, older);
    }
    struct msmtp_account account;
    begin_account(&account);
    account.name = memory_copy(name, strlen(name));
    account.note = note;
    account.file = reading->file;
    inherit(&account, &reading->defaults);
    struct texts parents = {0};
    if (colon)
        texts_split(&parents, colon + 1);
    for (size_t i = 0; i < parents.count; i++) {
        const struct msmtp_account *parent = find_account(reading, parents.items[i]);
        if (parent)
            inherit(&account, parent);
        else
            note_say(import, note, IMPORT_OTHER, "there is no account %s above", parents.items[i]);
    }
    texts_free(&parents);
    reading->accounts =
        memory_resize(reading->accounts, (reading->count + 1) * sizeof *reading->accounts);
    reading->accounts[reading->count] = account;
    reading->current = reading->count++;
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

static void take_line(struct reading *reading, const struct source *source,
                      struct source_line *line)
{
    struct import *import = reading->importing->import;
    char *whole = memory_copy(line->text, strlen(line->text));
    char *argument = whole;
    const char *name = source_split(&argument);
    argument = unquote(text_trim(argument));
    size_t command = find_command(name);
    bool known = command < COMMANDS && command != PASSWORD && command != PASSWORDEVAL;
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
        reading->current = SIZE_MAX;
        note_say(import, note, IMPORT_SAME, "what follows is said with each account");
    } else if (strcmp(name, "account") == 0) {
        take_account_line(reading, argument, note);
    } else if (strcmp(name, "eval") == 0) {
        note_say(import, note, IMPORT_LEFT,
                 "not taken over: no command is run here; set what it prints by hand");
    } else if (command == COMMANDS) {
        note_say(import, note, IMPORT_LEFT, "not taken over: msmtp does not know it");
    } else if (command >= OTHERS_BEGIN) {
        note_say(import, note, IMPORT_LEFT, "not taken over: %s", commands[command].why);
    } else if (reading->current != SIZE_MAX - 1) {
        struct msmtp_account *account = reading->current == SIZE_MAX
                                            ? &reading->defaults
                                            : &reading->accounts[reading->current];
        said_set(&account->said[command], argument, note);
    }
    memory_wipe(whole, strlen(line->text));
    free(whole);
}

static bool read_file(struct reading *reading, const char *path)
{
    struct source source;
    struct source_line line;
    bool there = source_open(reading->importing, path, SOURCE_MAIN, &source);
    /* Names of files are compared by their place, and outlive the source. */
    reading->file = path;
    reading->current = SIZE_MAX;
    free_account(&reading->defaults);
    begin_account(&reading->defaults);
    while (there && source_next(reading->importing, &source, SOURCE_PLAIN, &line))
        take_line(reading, &source, &line);
    source_free(&source);
    return there;
}

/* ---- what it means for us ---- */

static const char *value_of(const struct msmtp_account *account, enum command command)
{
    return account->said[command].value ? account->said[command].value : "";
}

/* "on", or nothing behind the command. */
static bool is_on(const struct msmtp_account *account, enum command command, bool otherwise)
{
    const char *value = account->said[command].value;
    return value ? !*value || strcmp(value, "on") == 0 : otherwise;
}

static void say(struct reading *reading, const struct msmtp_account *account, enum command command,
                enum import_mark mark, const char *words)
{
    note_say(reading->importing->import, account->said[command].note, mark, "%s", words);
}

/* A file's name; '~' is the user's home. The caller frees. */
static char *expand(const struct reading *reading, const char *path)
{
    struct buffer whole = {0};
    if (*path == '~' && reading->importing->home)
        buffer_append_text(&whole, reading->importing->home), path++;
    buffer_append_text(&whole, path);
    return buffer_take(&whole);
}

static void set_path(struct reading *reading, struct said *said,
                     const struct msmtp_account *account, enum command command)
{
    if (!*value_of(account, command))
        return;
    char *path = expand(reading, value_of(account, command));
    said_set(said, path, account->said[command].note);
    free(path);
}

/* The domain of "%U@domain"; NULL: it is not of that form. */
static const char *domain_of_user(const char *from)
{
    return strncmp(from, "%U@", 3) == 0 && from[3] && !strpbrk(from + 3, "%?*[,") ? from + 3 : NULL;
}

/* Of an account that is chosen by its senders. NULL: none that we can have. The caller frees. */
static char *senders_of(struct reading *reading, const struct msmtp_account *account)
{
    const char *from = value_of(account, FROM);
    struct buffer senders = {0};
    if (domain_of_user(from))
        buffer_format(&senders, "@%s", domain_of_user(from));
    else if (*from && !strpbrk(from, "%?[,"))
        buffer_append_text(&senders, from);
    else if (*from)
        say(reading, account, FROM, IMPORT_LEFT,
            "not taken over: ours knows '*' alone as a wildcard, and no '%' but in %U@domain");
    return senders.length ? buffer_take(&senders) : NULL;
}

static void set_tls(struct reading *reading, struct foreign *ours,
                    const struct msmtp_account *account)
{
    if (is_on(account, TLS, false))
        ours->tls = is_on(account, STARTTLS, true) ? FOREIGN_STARTTLS : FOREIGN_IMPLICIT;
    foreign_said_tls(ours, account->said[TLS].note);
    if (ours->tls != FOREIGN_CLEAR)
        foreign_said_tls(ours, account->said[STARTTLS].note);
    ours->verified = is_on(account, CERTCHECK, true);
    ours->verify_note = account->said[CERTCHECK].note;
    if (ours->verified && account->said[CERTCHECK].value)
        say(reading, account, CERTCHECK, IMPORT_SAME, "ours looks at certificates, too");
    set_path(reading, &ours->certificate, account, CERT);
    set_path(reading, &ours->key, account, KEY);
    set_path(reading, &ours->trust, account, TRUST);
    if (account->said[TRUST].value && !*value_of(account, TRUST)) {
        ours->verified = !ours->tls || *value_of(account, FINGERPRINT);
        ours->verify_note = account->said[TRUST].note;
    }
    if (strlen(value_of(account, FINGERPRINT)) == 95)
        said_set(&ours->fingerprint, value_of(account, FINGERPRINT),
                 account->said[FINGERPRINT].note);
    else if (*value_of(account, FINGERPRINT))
        say(reading, account, FINGERPRINT, IMPORT_LEFT,
            "not taken over: ours wants a SHA-256 fingerprint, 32 pairs of digits");
}

static void set_auth(struct reading *reading, struct foreign *ours,
                     const struct msmtp_account *account)
{
    static const char *const methods[] = {"plain",    "login",       "scram-sha-256", "cram-md5",
                                          "external", "oauthbearer", "xoauth2",       NULL};
    const char *auth = value_of(account, AUTH);
    bool signs_in = account->said[AUTH].value && strcmp(auth, "off") != 0;
    if (!signs_in) {
        if (account->said[AUTH].value)
            say(reading, account, AUTH, IMPORT_SAME, "without user ours does not sign in");
        for (enum command i = USER; i <= PASSWORDEVAL; i++)
            if (*value_of(account, i))
                say(reading, account, i, IMPORT_LEFT,
                    "not taken over: msmtp does not sign in without auth on");
        return;
    }
    size_t method = 0;
    while (methods[method] && strcmp(methods[method], auth) != 0)
        method++;
    if (methods[method])
        said_set(&ours->auth, auth, account->said[AUTH].note);
    else if (!*auth || strcmp(auth, "on") == 0)
        say(reading, account, AUTH, IMPORT_SAME, "ours takes the strongest that is offered");
    else
        say(reading, account, AUTH, IMPORT_OTHER,
            "ours does not know this one, and takes the strongest that is offered");
    if (*value_of(account, USER))
        said_set(&ours->user, value_of(account, USER), account->said[USER].note);
    if (*value_of(account, PASSWORD))
        said_set(&ours->password, value_of(account, PASSWORD), account->said[PASSWORD].note);
    if (ours->password.value && *value_of(account, PASSWORDEVAL))
        say(reading, account, PASSWORDEVAL, IMPORT_SAME, "password counts");
    else if (*value_of(account, PASSWORDEVAL))
        command_take_password(reading->importing, account->said[PASSWORDEVAL].note,
                              value_of(account, PASSWORDEVAL), &ours->password,
                              &ours->password_command);
    bool certified = *value_of(account, CERT) && strcmp(auth, "external") == 0;
    if (ours->user.value && !ours->password.value && !ours->password_command.value && !certified)
        say(reading, account, USER, IMPORT_OTHER,
            "its password does not stand here, but in a key ring, in netrc, or in somebody's head: "
            "setup asks for it");
}

/* The sender of mail that names none: of the account that is chosen when no sender decides. */
static void take_sender(struct reading *reading, const struct msmtp_account *account)
{
    struct import *import = reading->importing->import;
    const char *from = value_of(account, FROM), *maildomain = value_of(account, MAILDOMAIN);
    size_t note = account->said[FROM].note;
    bool automatic = is_on(account, AUTO_FROM, false);
    if (automatic && *maildomain)
        take_setting(import, account->said[MAILDOMAIN].note, "mail", "", "domain", maildomain);
    if (account->said[AUTO_FROM].value)
        say(reading, account, AUTO_FROM, IMPORT_SAME,
            automatic ? "ours makes USER@domain as well" : "see from");
    if (!*from || automatic)
        return;
    char *domain = source_domain(reading->importing);
    bool forced = !is_on(account, OVERRIDE, true);
    struct buffer rule = {0};
    if (domain_of_user(from)) {
        take_setting(import, note, "mail", "", "domain", domain_of_user(from));
    } else if (strcmp(from, "%U@%H") == 0 || strcmp(from, "%U@%C") == 0 ||
               strcmp(from, "%U@%M") == 0) {
        note_say(import, note, IMPORT_SAME, "ours makes USER@domain as well");
    } else if (strpbrk(from, "%*?[")) {
        note_say(import, note, IMPORT_LEFT,
                 "not taken over: as the sender of all mail it says "
                 "nothing to us; see domain and masquerade");
    } else if (forced || domain) {
        buffer_format(&rule, forced ? "*: %s" : "*@%s: %s", forced ? from : domain, from);
        if (take_setting(import, note, "mail", "", "masquerade", buffer_text(&rule)) && !forced)
            note_say(import, note, IMPORT_TAKEN,
                     "for senders of this machine; its From: changes with it");
    } else {
        note_say(import, note, IMPORT_LEFT,
                 "not taken over: nobody knows the domain of this machine; a rule such as "
                 "masquerade = *@DOMAIN: %s does it",
                 from);
    }
    if (account->said[OVERRIDE].value && forced && rule.length)
        take_credit(import, account->said[OVERRIDE].note, "mail", "", "masquerade");
    buffer_free(&rule);
    free(domain);
}

/* Commands that say how mail is to look, and where it is logged: for all mail of ours, so that the
 * account that is chosen when no sender decides has the say. */
static void take_manners(struct reading *reading, const struct msmtp_account *account)
{
    struct import *import = reading->importing->import;
    const char *domain = value_of(account, DOMAIN);
    if (strchr(domain, '.') && !strchr(domain, '%'))
        take_setting(import, account->said[DOMAIN].note, "mail", "", "hostname", domain);
    else if (account->said[DOMAIN].value)
        say(reading, account, DOMAIN, IMPORT_SAME, "ours says the name of this machine");
    if (*value_of(account, ALIASES)) {
        char *path = expand(reading, value_of(account, ALIASES));
        aliases_take(reading->importing, account->said[ALIASES].note, path, "default");
        free(path);
    }
    const char *log = value_of(account, LOGFILE);
    bool own = reading->users && geteuid() != 0 && *log && strcmp(log, "-") != 0;
    if (own) {
        char *path = expand(reading, log);
        take_setting(import, account->said[LOGFILE].note, "mail", "", "log_file", path);
        free(path);
    } else if (*log) {
        say(reading, account, LOGFILE, IMPORT_LEFT,
            "not taken over: syslog has it; for a file as well set log_file, to one that the user "
            "and the group postrider may write");
    }
}

/* What is the same for all accounts, whichever is chosen. */
static void say_manners(struct reading *reading, const struct msmtp_account *account)
{
    static const struct {
        enum command command;
        const char *usual, *also; /* values with which ours does the same */
        const char *otherwise;
    } manners[] = {
        {SET_FROM, "auto", "",
         "not taken over: ours sets a From: where there is none, and "
         "masquerade changes one that is there"},
        {SET_DATE, "auto", "", "not taken over: ours adds what a message must have"},
        {SET_MSGID, "auto", "", "not taken over: ours adds what a message must have"},
        {REMOVE_BCC, "on", "", "not taken over: ours takes Bcc out of what it sends"},
        {UNDISCLOSED, "off", "off", "not taken over: ours leaves To: and Cc: as they are"},
        {SYSLOG, "LOG_MAIL", "on", "not taken over: ours logs to the facility mail"},
        {OVERRIDE, "on", "on", "see from"},
        {PROTOCOL, "smtp", "smtp", "not taken over"},
        {PASSWORD, "", "", ""},
        {USER, "", "", ""},
        {PASSWORDEVAL, "", "", ""},
        {FINGERPRINT, "", "", ""},
        {CERT, "", "", ""},
        {KEY, "", "", ""},
        {LOGFILE, "", "", "see the default account"},
        {ALIASES, "", "", "see the default account"},
        {DOMAIN, "localhost", "", "not taken over: ours says the same name for all accounts"},
        {MAILDOMAIN, "", "", "not taken over: ours has one domain for all accounts"},
        {AUTO_FROM, "off", "off", "not taken over: ours has one domain for all accounts"},
        {STARTTLS, "", "", "without tls on it means nothing"},
        {TRUST, "", "", "without TLS it means nothing"},
        {SOCKET, "", "", "not taken over"},
    };
    for (size_t i = 0; i < sizeof manners / sizeof manners[0]; i++) {
        const struct said *said = &account->said[manners[i].command];
        if (!said->value || note_has_words(reading->importing->import, said->note))
            continue;
        bool usual =
            strcmp(said->value, manners[i].usual) == 0 || strcmp(said->value, manners[i].also) == 0;
        say(reading, account, manners[i].command, usual ? IMPORT_SAME : IMPORT_LEFT,
            usual ? "ours does the same" : manners[i].otherwise);
    }
}

/* An account of theirs as one of ours, with this name. */
static bool take_account(struct reading *reading, const struct msmtp_account *account,
                         const char *name, const char *senders)
{
    struct import *import = reading->importing->import;
    struct foreign ours;
    foreign_begin(&ours, "msmtp", account->file, name);
    said_set(&ours.senders, senders, account->said[FROM].note);
    struct buffer host = {0};
    const char *named = value_of(account, HOST);
    buffer_format(&host, strchr(named, ':') && *named != '[' ? "[%s]" : "%s", named);
    said_set(&ours.hosts, buffer_text(&host), account->said[HOST].note);
    buffer_free(&host);
    set_tls(reading, &ours, account);
    if (account->said[PORT].value)
        said_set(&ours.port, value_of(account, PORT), account->said[PORT].note);
    else
        said_set(&ours.port, ours.tls == FOREIGN_IMPLICIT ? "465" : "25", NOTE_NONE);
    set_auth(reading, &ours, account);
    bool taken = foreign_take(import, &ours);
    if (taken)
        note_say(import, account->note, IMPORT_TAKEN,
                 *name ? "taken over as [smarthost \"%s\"]" : "taken over as [smarthost]%s", name);
    foreign_free(&ours);
    return taken;
}

static const char *why_not(const struct msmtp_account *account)
{
    if (*value_of(account, SOCKET))
        return "ours connects to no socket but by [route] via = lmtp:PATH";
    if (strcmp(value_of(account, PROTOCOL), "lmtp") == 0)
        return "ours speaks LMTP to a socket of this machine alone, by [route] via = lmtp:PATH";
    if (!*value_of(account, HOST))
        return "it has no host";
    return NULL;
}

static void leave_account(struct reading *reading, const struct msmtp_account *account,
                          const char *why)
{
    struct import *import = reading->importing->import;
    note_say(import, account->note, IMPORT_LEFT, "account %s is not taken over: %s", account->name,
             why);
    for (size_t i = 0; i < OTHERS_BEGIN; i++)
        if (!note_has_words(import, account->said[i].note))
            note_say(import, account->said[i].note, IMPORT_LEFT,
                     "not taken over: neither is account %s", account->name);
}

static void take_default(struct reading *reading)
{
    struct msmtp_account *account = find_account(reading, "default");
    if (!account && reading->count == 1) {
        account = &reading->accounts[0];
        note_say(reading->importing->import, account->note, IMPORT_OTHER,
                 "msmtp wants -a %s for it; with ours it is for all mail", account->name);
    }
    if (!account || why_not(account))
        return;
    take_account(reading, account, "", NULL);
    take_sender(reading, account);
    take_manners(reading, account);
}

static void take_named(struct reading *reading, const struct msmtp_account *account)
{
    bool is_default = strcmp(account->name, "default") == 0;
    const char *why = why_not(account);
    if (why) {
        leave_account(reading, account, why);
        return;
    }
    if (is_default || reading->count == 1)
        return;
    char *senders = senders_of(reading, account);
    char *name = take_name(reading->importing->import, account->name);
    if (senders)
        take_account(reading, account, name, senders);
    else
        leave_account(reading, account,
                      "it has no from, and ours chooses by the sender; add senders by hand");
    free(name);
    free(senders);
}

void import_msmtp(struct importing *importing)
{
    static const char system[] = "/etc/msmtprc";
    struct reading reading = {.importing = importing};
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
    take_default(&reading);
    for (size_t i = 0; i < reading.count; i++)
        take_named(&reading, &reading.accounts[i]);
    for (size_t i = 0; i < reading.count; i++)
        say_manners(&reading, &reading.accounts[i]);
    note_rest(importing->import, 0, IMPORT_SAME, "means nothing here: no account uses it");
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

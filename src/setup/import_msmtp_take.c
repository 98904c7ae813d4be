/*
 * What msmtp's accounts mean for us: the one that is used when no sender decides is [smarthost],
 * the others are chosen by their senders.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_aliases.h"
#include "setup/import_command.h"
#include "setup/import_msmtp.h"

/* ---- what it means for us ---- */

static const char *value_of(const struct msmtp_account *account, enum msmtp_command command)
{
    return account->said[command].value ? account->said[command].value : "";
}

/* "on", or nothing behind the command. */
static bool is_on(const struct msmtp_account *account, enum msmtp_command command, bool otherwise)
{
    const char *value = account->said[command].value;
    return value ? !*value || strcmp(value, "on") == 0 : otherwise;
}

static void say(struct msmtp *reading, const struct msmtp_account *account,
                enum msmtp_command command, enum import_mark mark, const char *words)
{
    note_say(reading->importing->import, account->said[command].note, mark, "%s", words);
}

/* A file's name; '~' is the user's home. The caller frees. */
static char *expand(const struct msmtp *reading, const char *path)
{
    struct buffer whole = {0};
    if (*path == '~' && reading->importing->home)
        buffer_append_text(&whole, reading->importing->home), path++;
    buffer_append_text(&whole, path);
    return buffer_take(&whole);
}

static void set_path(struct msmtp *reading, struct said *said, const struct msmtp_account *account,
                     enum msmtp_command command)
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
static char *senders_of(struct msmtp *reading, const struct msmtp_account *account)
{
    const char *from = value_of(account, MSMTP_FROM);
    struct buffer senders = {0};
    if (domain_of_user(from))
        buffer_format(&senders, "@%s", domain_of_user(from));
    else if (*from && !strpbrk(from, "%?[,"))
        buffer_append_text(&senders, from);
    else if (*from)
        say(reading, account, MSMTP_FROM, IMPORT_LEFT,
            "not taken over: ours knows '*' alone as a wildcard, and no '%' but in %U@domain");
    return senders.length ? buffer_take(&senders) : NULL;
}

static void set_tls(struct msmtp *reading, struct foreign *ours,
                    const struct msmtp_account *account)
{
    if (is_on(account, MSMTP_TLS, false))
        ours->tls = is_on(account, MSMTP_STARTTLS, true) ? FOREIGN_STARTTLS : FOREIGN_IMPLICIT;
    foreign_said_tls(ours, account->said[MSMTP_TLS].note);
    if (ours->tls != FOREIGN_CLEAR)
        foreign_said_tls(ours, account->said[MSMTP_STARTTLS].note);
    ours->verified = is_on(account, MSMTP_CERTCHECK, true);
    ours->verify_note = account->said[MSMTP_CERTCHECK].note;
    if (ours->verified && account->said[MSMTP_CERTCHECK].value)
        say(reading, account, MSMTP_CERTCHECK, IMPORT_SAME, "ours looks at certificates, too");
    set_path(reading, &ours->certificate, account, MSMTP_CERT);
    set_path(reading, &ours->key, account, MSMTP_KEY);
    set_path(reading, &ours->trust, account, MSMTP_TRUST);
    if (account->said[MSMTP_TRUST].value && !*value_of(account, MSMTP_TRUST)) {
        ours->verified = !ours->tls || *value_of(account, MSMTP_FINGERPRINT);
        ours->verify_note = account->said[MSMTP_TRUST].note;
    }
    if (strlen(value_of(account, MSMTP_FINGERPRINT)) == 95)
        said_set(&ours->fingerprint, value_of(account, MSMTP_FINGERPRINT),
                 account->said[MSMTP_FINGERPRINT].note);
    else if (*value_of(account, MSMTP_FINGERPRINT))
        say(reading, account, MSMTP_FINGERPRINT, IMPORT_LEFT,
            "not taken over: ours wants a SHA-256 fingerprint, 32 pairs of digits");
}

static void set_auth(struct msmtp *reading, struct foreign *ours,
                     const struct msmtp_account *account)
{
    static const char *const methods[] = {"plain",    "login",       "scram-sha-256", "cram-md5",
                                          "external", "oauthbearer", "xoauth2",       NULL};
    const char *auth = value_of(account, MSMTP_AUTH);
    bool signs_in = account->said[MSMTP_AUTH].value && strcmp(auth, "off") != 0;
    if (!signs_in) {
        if (account->said[MSMTP_AUTH].value)
            say(reading, account, MSMTP_AUTH, IMPORT_SAME, "without user ours does not sign in");
        for (enum msmtp_command i = MSMTP_USER; i <= MSMTP_PASSWORDEVAL; i++)
            if (*value_of(account, i))
                say(reading, account, i, IMPORT_LEFT,
                    "not taken over: msmtp does not sign in without auth on");
        return;
    }
    size_t method = 0;
    while (methods[method] && strcmp(methods[method], auth) != 0)
        method++;
    if (methods[method])
        said_set(&ours->auth, auth, account->said[MSMTP_AUTH].note);
    else if (!*auth || strcmp(auth, "on") == 0)
        say(reading, account, MSMTP_AUTH, IMPORT_SAME, "ours takes the strongest that is offered");
    else
        say(reading, account, MSMTP_AUTH, IMPORT_OTHER,
            "ours does not know this one, and takes the strongest that is offered");
    if (*value_of(account, MSMTP_USER))
        said_set(&ours->user, value_of(account, MSMTP_USER), account->said[MSMTP_USER].note);
    if (*value_of(account, MSMTP_PASSWORD))
        said_set(&ours->password, value_of(account, MSMTP_PASSWORD),
                 account->said[MSMTP_PASSWORD].note);
    if (ours->password.value && *value_of(account, MSMTP_PASSWORDEVAL))
        say(reading, account, MSMTP_PASSWORDEVAL, IMPORT_SAME, "password counts");
    else if (*value_of(account, MSMTP_PASSWORDEVAL))
        command_take_password(reading->importing, account->said[MSMTP_PASSWORDEVAL].note,
                              value_of(account, MSMTP_PASSWORDEVAL), &ours->password,
                              &ours->password_command);
    bool certified = *value_of(account, MSMTP_CERT) && strcmp(auth, "external") == 0;
    if (ours->user.value && !ours->password.value && !ours->password_command.value && !certified)
        say(reading, account, MSMTP_USER, IMPORT_OTHER,
            "its password does not stand here, but in a key ring, in netrc, or in somebody's head: "
            "setup asks for it");
}

static bool is_within(const char *from, const char *domain)
{
    const char *at = strrchr(from, '@');
    return at && text_match(at + 1, domain);
}

/* Senders that choose an account must not be changed before it is chosen. domain: theirs alone are
 * changed; NULL: all. */
static void keep_others(struct msmtp *reading, const struct msmtp_account *account,
                        const char *domain)
{
    struct import *import = reading->importing->import;
    for (size_t i = 0; i < reading->count; i++) {
        const struct msmtp_account *other = &reading->accounts[i];
        const char *from = value_of(other, MSMTP_FROM);
        struct buffer rule = {0};
        if (other == account || !*from || strcmp(from, value_of(account, MSMTP_FROM)) == 0 ||
            (domain && !is_within(from, domain)))
            continue;
        buffer_format(&rule, "%s: %s", from, from);
        if (strpbrk(from, "%*?[,"))
            note_say(import, account->said[MSMTP_FROM].note, IMPORT_OTHER,
                     "all senders become this one, so that no mail goes by account %s: name those "
                     "that are to change in masquerade",
                     other->name);
        else
            take_setting(import, NOTE_NONE, "mail", "", "masquerade", buffer_text(&rule));
        buffer_free(&rule);
    }
}

/* The sender of mail that names none: of the account that is chosen when no sender decides. */
static void take_sender(struct msmtp *reading, const struct msmtp_account *account)
{
    struct import *import = reading->importing->import;
    const char *from = value_of(account, MSMTP_FROM),
               *maildomain = value_of(account, MSMTP_MAILDOMAIN);
    size_t note = account->said[MSMTP_FROM].note;
    bool automatic = is_on(account, MSMTP_AUTO_FROM, false);
    if (automatic && *maildomain)
        take_setting(import, account->said[MSMTP_MAILDOMAIN].note, "mail", "", "domain",
                     maildomain);
    if (account->said[MSMTP_AUTO_FROM].value)
        say(reading, account, MSMTP_AUTO_FROM, IMPORT_SAME,
            automatic ? "ours makes USER@domain as well" : "see from");
    if (!*from || automatic)
        return;
    char *domain = source_domain(reading->importing);
    bool forced = !is_on(account, MSMTP_OVERRIDE, true);
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
        keep_others(reading, account, forced ? NULL : domain);
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
    if (account->said[MSMTP_OVERRIDE].value && forced && rule.length)
        take_credit(import, account->said[MSMTP_OVERRIDE].note, "mail", "", "masquerade");
    buffer_free(&rule);
    free(domain);
}

/* Commands that say how mail is to look, and where it is logged: for all mail of ours, so that the
 * account that is chosen when no sender decides has the say. */
static void take_manners(struct msmtp *reading, const struct msmtp_account *account)
{
    struct import *import = reading->importing->import;
    const char *domain = value_of(account, MSMTP_DOMAIN);
    if (strchr(domain, '.') && !strchr(domain, '%'))
        take_setting(import, account->said[MSMTP_DOMAIN].note, "mail", "", "hostname", domain);
    else if (account->said[MSMTP_DOMAIN].value)
        say(reading, account, MSMTP_DOMAIN, IMPORT_SAME, "ours says the name of this machine");
    if (*value_of(account, MSMTP_ALIASES)) {
        char *path = expand(reading, value_of(account, MSMTP_ALIASES));
        aliases_take(reading->importing, account->said[MSMTP_ALIASES].note, path, "default");
        free(path);
    }
    const char *log = value_of(account, MSMTP_LOGFILE);
    bool own = reading->users && geteuid() != 0 && *log && strcmp(log, "-") != 0;
    if (own) {
        char *path = expand(reading, log);
        take_setting(import, account->said[MSMTP_LOGFILE].note, "mail", "", "log_file", path);
        free(path);
    } else if (*log) {
        say(reading, account, MSMTP_LOGFILE, IMPORT_LEFT,
            "not taken over: syslog has it; for a file as well set log_file, to one that the user "
            "and the group postrider may write");
    }
}

/* What is the same for all accounts, whichever is chosen. */
static void say_manners(struct msmtp *reading, const struct msmtp_account *account)
{
    static const struct {
        enum msmtp_command command;
        const char *usual, *also; /* values with which ours does the same */
        const char *otherwise;
    } manners[] = {
        {MSMTP_SET_FROM, "auto", "",
         "not taken over: ours sets a From: where there is none, and "
         "masquerade changes one that is there"},
        {MSMTP_SET_DATE, "auto", "", "not taken over: ours adds what a message must have"},
        {MSMTP_SET_MSGID, "auto", "", "not taken over: ours adds what a message must have"},
        {MSMTP_REMOVE_BCC, "on", "", "not taken over: ours takes Bcc out of what it sends"},
        {MSMTP_UNDISCLOSED, "off", "off", "not taken over: ours leaves To: and Cc: as they are"},
        {MSMTP_SYSLOG, "LOG_MAIL", "on", "not taken over: ours logs to the facility mail"},
        {MSMTP_OVERRIDE, "on", "on", "see from"},
        {MSMTP_PROTOCOL, "smtp", "smtp", "not taken over"},
        {MSMTP_PASSWORD, "", "", ""},
        {MSMTP_USER, "", "", ""},
        {MSMTP_PASSWORDEVAL, "", "", ""},
        {MSMTP_FINGERPRINT, "", "", ""},
        {MSMTP_CERT, "", "", ""},
        {MSMTP_KEY, "", "", ""},
        {MSMTP_LOGFILE, "", "", "see the default account"},
        {MSMTP_ALIASES, "", "", "see the default account"},
        {MSMTP_DOMAIN, "localhost", "", "not taken over: ours says the same name for all accounts"},
        {MSMTP_MAILDOMAIN, "", "", "not taken over: ours has one domain for all accounts"},
        {MSMTP_AUTO_FROM, "off", "off", "not taken over: ours has one domain for all accounts"},
        {MSMTP_STARTTLS, "", "", "without tls on it means nothing"},
        {MSMTP_TRUST, "", "", "without TLS it means nothing"},
        {MSMTP_SOCKET, "", "", "not taken over"},
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
static bool take_account(struct msmtp *reading, const struct msmtp_account *account,
                         const char *name, const char *senders)
{
    struct import *import = reading->importing->import;
    struct foreign ours;
    foreign_begin(&ours, "msmtp", account->file, name);
    said_set(&ours.senders, senders, account->said[MSMTP_FROM].note);
    struct buffer host = {0};
    const char *named = value_of(account, MSMTP_HOST);
    buffer_format(&host, strchr(named, ':') && *named != '[' ? "[%s]" : "%s", named);
    said_set(&ours.hosts, buffer_text(&host), account->said[MSMTP_HOST].note);
    buffer_free(&host);
    set_tls(reading, &ours, account);
    if (account->said[MSMTP_PORT].value)
        said_set(&ours.port, value_of(account, MSMTP_PORT), account->said[MSMTP_PORT].note);
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
    if (*value_of(account, MSMTP_SOCKET))
        return "ours connects to no socket but by [route] via = lmtp:PATH";
    if (strcmp(value_of(account, MSMTP_PROTOCOL), "lmtp") == 0)
        return "ours speaks LMTP to a socket of this machine alone, by [route] via = lmtp:PATH";
    if (!*value_of(account, MSMTP_HOST))
        return "it has no host";
    return NULL;
}

static void leave_account(struct msmtp *reading, const struct msmtp_account *account,
                          const char *why)
{
    struct import *import = reading->importing->import;
    note_say(import, account->note, IMPORT_LEFT, "account %s is not taken over: %s", account->name,
             why);
    for (size_t i = 0; i < MSMTP_COMMANDS; i++)
        if (!note_has_words(import, account->said[i].note))
            note_say(import, account->said[i].note, IMPORT_LEFT,
                     "not taken over: neither is account %s", account->name);
}

/* The place of the account that is for all mail which no other one is for; the count: there is
 * none. */
static size_t find_default(struct msmtp *reading)
{
    size_t first = 0;
    while (first < reading->count && strcmp(reading->accounts[first].name, "default") != 0)
        first++;
    if (first == reading->count && reading->count == 1) {
        first = 0;
        note_say(reading->importing->import, reading->accounts[0].note, IMPORT_OTHER,
                 "msmtp wants -a %s for it; with ours it is for all mail",
                 reading->accounts[0].name);
    }
    return first;
}

/* NULL: it is one of ours now. */
static const char *take_named(struct msmtp *reading, const struct msmtp_account *account)
{
    const char *why = why_not(account);
    char *senders = why ? NULL : senders_of(reading, account);
    char *name = take_name(reading->importing->import, account->name);
    if (!why && !senders)
        why = "it has no from, and ours chooses by the sender; add senders by hand";
    if (!why && !take_account(reading, account, name, senders))
        why = "ours can have no such host";
    free(name);
    free(senders);
    return why;
}

/* Likewise; what it says of all mail is ours as well. */
static const char *take_default(struct msmtp *reading, const struct msmtp_account *account)
{
    const char *why = why_not(account);
    if (!why && !take_account(reading, account, "", NULL))
        why = "ours can have no such host";
    if (!why) {
        take_sender(reading, account);
        take_manners(reading, account);
    }
    return why;
}

void msmtp_take(struct msmtp *reading)
{
    size_t first = find_default(reading);
    const char **reasons = memory_get((reading->count + 1) * sizeof *reasons);
    if (first < reading->count)
        reasons[first] = take_default(reading, &reading->accounts[first]);
    for (size_t i = 0; i < reading->count; i++)
        if (i != first)
            reasons[i] = take_named(reading, &reading->accounts[i]);
    /* A line of the defaults belongs to those that were taken first of all. */
    for (size_t i = 0; i < reading->count; i++)
        if (!reasons[i])
            say_manners(reading, &reading->accounts[i]);
    for (size_t i = 0; i < reading->count; i++)
        if (reasons[i])
            leave_account(reading, &reading->accounts[i], reasons[i]);
    note_rest(reading->importing->import, 0, IMPORT_SAME, "means nothing here: no account uses it");
    free(reasons);
}

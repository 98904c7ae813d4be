/*
 * What Postfix sends mail out by: relayhost and those that depend on the sender, with their sign-in
 * and TLS (smtp(8)), and transport(5).
 */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_postfix.h"

struct sending {
    struct postfix *postfix;
    struct import *import;
    struct table passwords, policies;
    enum foreign_tls tls; /* of all next hops without a policy of their own */
    bool verified;
};

/* ---- TLS ---- */

static const char *const tls_names[] = {"smtp_tls_security_level", "smtp_tls_wrappermode",
                                        "smtp_enforce_tls", "smtp_use_tls"};
enum { TLS_NAMES = sizeof tls_names / sizeof tls_names[0] };

/* False: no such level. */
static bool level_of(const char *level, enum foreign_tls *tls, bool *verified)
{
    static const struct {
        const char *level;
        enum foreign_tls tls;
        bool verified;
    } levels[] = {{"none", FOREIGN_CLEAR, true},         {"may", FOREIGN_MAY, true},
                  {"encrypt", FOREIGN_STARTTLS, false},  {"dane", FOREIGN_MAY, true},
                  {"dane-only", FOREIGN_STARTTLS, true}, {"fingerprint", FOREIGN_STARTTLS, true},
                  {"verify", FOREIGN_STARTTLS, true},    {"secure", FOREIGN_STARTTLS, true}};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(levels[i].level, level) == 0) {
            *tls = levels[i].tls;
            *verified = levels[i].verified;
            return true;
        }
    return false;
}

static void find_tls(struct sending *sending)
{
    struct postfix *postfix = sending->postfix;
    const char *level = postfix_value(postfix, "smtp_tls_security_level");
    sending->tls = FOREIGN_CLEAR;
    sending->verified = true;
    if (*level && !level_of(level, &sending->tls, &sending->verified))
        postfix_say(postfix, "smtp_tls_security_level", IMPORT_OTHER, "Postfix does not know it");
    if (!*level && postfix_is_yes(postfix, "smtp_enforce_tls"))
        sending->tls = FOREIGN_STARTTLS;
    else if (!*level && postfix_is_yes(postfix, "smtp_use_tls"))
        sending->tls = FOREIGN_MAY;
    if (text_starts(level, "dane"))
        postfix_say(postfix, "smtp_tls_security_level", IMPORT_OTHER,
                    "ours does not ask the DNS for certificates (DANE)");
    if (postfix_is_yes(postfix, "smtp_tls_wrappermode"))
        sending->tls = FOREIGN_IMPLICIT;
}

/* A policy for this very next hop counts for more. */
static void find_policy(struct sending *sending, const char *name, struct foreign *account)
{
    const struct row *row = table_find(&sending->policies, name);
    enum foreign_tls tls;
    bool verified;
    if (!row)
        return;
    char *copy = memory_copy(row->value, strlen(row->value)), *rest = copy;
    const char *level = source_split(&rest);
    if (level_of(level, &tls, &verified)) {
        account->tls =
            account->tls == FOREIGN_IMPLICIT && tls == FOREIGN_STARTTLS ? FOREIGN_IMPLICIT : tls;
        account->verified = verified;
        account->tls_note_count = 0;
        foreign_said_tls(account, row->note);
        if (*rest)
            note_say(sending->import, row->note, IMPORT_OTHER,
                     "what stands behind the level is not taken over");
    } else {
        note_say(sending->import, row->note, IMPORT_LEFT, "not taken over: no level of TLS");
    }
    free(copy);
}

/* A certificate to trust, a pin, one of our own. */
static void find_certificates(struct sending *sending, struct foreign *account)
{
    struct postfix *postfix = sending->postfix;
    static const char *const trusts[] = {"smtp_tls_CAfile", "smtp_tls_CApath"};
    for (size_t i = 0; i < 2; i++) {
        const char *path = postfix_value(postfix, trusts[i]);
        bool usable = i == 0 || foreign_trusts_system(path);
        if (*path && account->trust.value)
            postfix_say(postfix, trusts[i], IMPORT_OTHER,
                        "tls_trust of ours is one file: smtp_tls_CAfile counts");
        else if (*path && usable)
            said_set(&account->trust, path, postfix_note(postfix, trusts[i]));
        else if (*path)
            postfix_say(postfix, trusts[i], IMPORT_LEFT,
                        "not taken over: tls_trust of ours is one file");
    }
    const char *pin = postfix_value(postfix, "smtp_tls_fingerprint_cert_match");
    if (strcmp(postfix_value(postfix, "smtp_tls_security_level"), "fingerprint") == 0 && *pin)
        said_set(&account->fingerprint, pin,
                 postfix_note(postfix, "smtp_tls_fingerprint_cert_match"));
    postfix_say(postfix, "smtp_tls_fingerprint_digest", IMPORT_SAME, "ours has SHA-256 alone");
    const char *certificate = postfix_value(postfix, "smtp_tls_cert_file");
    const char *key = postfix_value(postfix, "smtp_tls_key_file");
    bool shared = strcmp(key, "$smtp_tls_cert_file") == 0 || !*key;
    if (*certificate) {
        said_set(&account->certificate, certificate, postfix_note(postfix, "smtp_tls_cert_file"));
        said_set(&account->key, shared ? certificate : key,
                 postfix_note(postfix, shared ? "smtp_tls_cert_file" : "smtp_tls_key_file"));
    }
}

/* ---- accounts ---- */

/* "user:password" of a row. */
static void set_sign_in(struct sending *sending, const struct row *row, struct foreign *account)
{
    const char *colon = strchr(row->value, ':');
    if (!colon) {
        note_say(sending->import, row->note, IMPORT_LEFT, "not taken over: no user:password");
        return;
    }
    char *user = memory_copy(row->value, (size_t)(colon - row->value));
    said_set(&account->user, user, row->note);
    free(user);
    said_set(&account->password, colon[1] ? colon + 1 : NULL, row->note);
    static const char *const mechanisms[] = {"plain",         "login",   "cram-md5",
                                             "scram-sha-256", "xoauth2", "oauthbearer"};
    const char *filter = postfix_value(sending->postfix, "smtp_sasl_mechanism_filter");
    size_t note = postfix_note(sending->postfix, "smtp_sasl_mechanism_filter");
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++)
        if (text_equal(mechanisms[i], filter))
            said_set(&account->auth, mechanisms[i], note);
    if (*filter && !account->auth.value)
        note_say(sending->import, note, IMPORT_OTHER, "ours takes the strongest that is offered");
}

/* As smtp(8) looks for it: by the sender, by the host, by the next hop as it is written. */
static void find_sign_in(struct sending *sending, const char *sender, const char *host,
                         const char *name, struct foreign *account)
{
    struct postfix *postfix = sending->postfix;
    bool enabled = postfix_is_yes(postfix, "smtp_sasl_auth_enable");
    bool by_sender = postfix_is_yes(postfix, "smtp_sender_dependent_authentication");
    const struct row *row = by_sender && sender ? table_find(&sending->passwords, sender) : NULL;
    row = row ? row : table_find(&sending->passwords, host);
    row = row ? row : table_find(&sending->passwords, name);
    if (row && enabled)
        set_sign_in(sending, row, account);
    else if (row)
        note_say(sending->import, row->note, IMPORT_LEFT,
                 "not taken over: Postfix does not sign in without smtp_sasl_auth_enable = yes");
}

/* A next hop, "[host]:port" or several of them, as the smarthost of this name. */
static bool take_hop(struct sending *sending, const char *name, const char *sender,
                     const char *text, size_t note)
{
    struct foreign account;
    struct texts items = {0};
    struct buffer hosts = {0}, port = {0};
    postfix_split(text, &items);
    foreign_begin(&account, "Postfix", POSTFIX_MAIN, name);
    for (size_t i = 0; i < items.count; i++) {
        struct hop hop;
        if (!hop_parse(items.items[i], &hop)) {
            note_say(sending->import, note, IMPORT_LEFT, "%s is not taken over: no next hop",
                     items.items[i]);
            continue;
        }
        buffer_format(&hosts, "%s%s", hosts.length ? ", " : "", hop.host);
        if (!port.length)
            buffer_format(&port, "%u", hop.port);
        if (items.count > 1)
            buffer_format(&hosts, ":%u", hop.port);
        if (hop.mx)
            note_say(sending->import, note, IMPORT_OTHER,
                     "without brackets Postfix asks for the MX records of %s; ours connects to "
                     "that very host",
                     hop.host);
        if (!account.user.value)
            find_sign_in(sending, sender, hop.host, items.items[i], &account);
        account.tls = i == 0 ? sending->tls : account.tls;
        account.verified = i == 0 ? sending->verified : account.verified;
        free(hop.host);
    }
    said_set(&account.senders, sender, note);
    said_set(&account.hosts, hosts.length ? buffer_text(&hosts) : NULL, note);
    said_set(&account.port, buffer_text(&port), note);
    for (size_t i = 0; i < TLS_NAMES; i++)
        foreign_said_tls(&account, postfix_note(sending->postfix, tls_names[i]));
    if (items.count)
        find_policy(sending, items.items[0], &account);
    find_certificates(sending, &account);
    bool taken = foreign_take(sending->import, &account);
    foreign_free(&account);
    texts_free(&items);
    buffer_free(&hosts);
    buffer_free(&port);
    return taken;
}

/* The name of a section for a sender, and the sender as ours has it. */
static void take_for_sender(struct sending *sending, const struct row *row, const char *hop)
{
    const char *key = row->key;
    if (!strchr(key, '@') || strcmp(key, "<>") == 0) {
        note_say(sending->import, row->note, IMPORT_LEFT,
                 "not taken over: ours chooses by an address, or by @domain");
        return;
    }
    char *name = take_name(sending->import, key + (*key == '@'));
    take_hop(sending, name, key, hop, row->note);
    free(name);
}

static void take_sender_maps(struct sending *sending)
{
    struct postfix *postfix = sending->postfix;
    struct table relays = {0};
    const char *relayhost = postfix_value(postfix, "relayhost");
    table_read_all(postfix, "sender_dependent_relayhost_maps", false, &relays);
    for (size_t i = 0; i < relays.count; i++) {
        const struct row *row = &relays.rows[i];
        if (text_equal(row->value, "dunno"))
            note_say(sending->import, row->note, IMPORT_SAME, "goes by the default smarthost");
        else
            take_for_sender(sending, row, row->value);
    }
    bool by_sender = postfix_is_yes(postfix, "smtp_sender_dependent_authentication");
    for (size_t i = 0; by_sender && *relayhost && i < sending->passwords.count; i++) {
        const struct row *row = &sending->passwords.rows[i];
        if (strchr(row->key, '@') && !table_find(&relays, row->key))
            take_for_sender(sending, row, relayhost);
    }
    if (by_sender)
        postfix_say(postfix, "smtp_sender_dependent_authentication", IMPORT_SAME,
                    "each sender has a [smarthost] with senders");
    table_free(&relays);
}

/* ---- routes ---- */

/* "smtp:[host]:port" as via; NULL: none that we can have, *why says so. The caller frees. */
static char *via_of(struct sending *sending, const char *transport, const char *next, bool *hops,
                    const char **why, bool *asks_mx)
{
    struct buffer via = {0};
    struct hop hop;
    *hops = false;
    *asks_mx = false;
    bool smtp = !*transport || strcmp(transport, "smtp") == 0 || strcmp(transport, "relay") == 0;
    *why = "ours knows no such transport";
    if (smtp && *next) {
        *why = "its next hop is none";
        if (hop_parse(next, &hop)) {
            buffer_format(&via, "%s:%u", hop.host, hop.port);
            *hops = true;
            *asks_mx = hop.mx;
            free(hop.host);
        }
    } else if (smtp) {
        bool relayed = *postfix_value(sending->postfix, "relayhost") != '\0';
        buffer_append_text(&via, !*transport && relayed ? "smarthost" : "mx");
    } else if (strcmp(transport, "local") == 0) {
        buffer_append_text(&via, "local");
    } else if (strcmp(transport, "discard") == 0) {
        buffer_append_text(&via, "discard");
    } else if (strcmp(transport, "error") == 0) {
        buffer_format(&via, "error %s", *next ? next : "mail is not taken here");
    } else if (strcmp(transport, "retry") == 0) {
        buffer_append_text(&via, "hold");
    } else if (strcmp(transport, "lmtp") == 0) {
        *why = "ours speaks LMTP to a socket of this machine alone: lmtp:unix:PATH";
        const char *path = text_starts(next, "unix:") ? next + 5 : NULL;
        if (path && *path == '/')
            buffer_format(&via, "lmtp:%s", path);
        else if (path)
            buffer_format(&via, "lmtp:%s/%s", postfix_value(sending->postfix, "queue_directory"),
                          path);
    }
    return via.length ? buffer_take(&via) : NULL;
}

/* A route of ours has no account: one with a password is a smarthost that it leads to. */
static char *via_account(struct sending *sending, const char *pattern, const char *next,
                         const struct row *row)
{
    struct hop hop;
    if (!*next || !postfix_is_yes(sending->postfix, "smtp_sasl_auth_enable") ||
        !hop_parse(next, &hop))
        return NULL;
    bool signs_in =
        table_find(&sending->passwords, hop.host) || table_find(&sending->passwords, next);
    free(hop.host);
    if (!signs_in)
        return NULL;
    char *name = take_name(sending->import, pattern);
    struct buffer via = {0};
    if (take_hop(sending, name, NULL, next, row->note))
        buffer_format(&via, "smarthost %s", name);
    free(name);
    return via.length ? buffer_take(&via) : NULL;
}

static void take_route(struct sending *sending, const char *pattern, const struct row *row)
{
    struct import *import = sending->import;
    size_t length = strcspn(row->value, ":");
    char *transport = memory_copy(row->value, length);
    const char *next = row->value[length] ? row->value + length + 1 : "";
    const char *why = "";
    bool hops = false, asks_mx = false;
    char *via = via_account(sending, pattern, next, row);
    if (!via)
        via = via_of(sending, transport, next, &hops, &why, &asks_mx);
    if (!via) {
        note_say(import, row->note, IMPORT_LEFT, "not taken over: %s", why);
    } else if (route_take(import, row->note, pattern, via)) {
        if (hops || strcmp(via, "mx") == 0)
            route_take_tls(import, pattern, "Postfix", sending->tls, row->note);
        if (asks_mx)
            note_say(import, row->note, IMPORT_OTHER,
                     "without brackets Postfix asks for MX records; ours connects to that very "
                     "host");
    }
    free(via);
    free(transport);
}

static void take_transports(struct sending *sending)
{
    struct table table = {0};
    table_read_all(sending->postfix, "transport_maps", false, &table);
    for (size_t i = 0; i < table.count; i++) {
        const struct row *row = &table.rows[i];
        struct buffer pattern = {0};
        if (*row->key == '.')
            buffer_append_byte(&pattern, '*');
        buffer_append_text(&pattern, row->key);
        if (strchr(row->key, '@'))
            note_say(sending->import, row->note, IMPORT_LEFT,
                     "not taken over: a route of ours is for a whole domain");
        else
            take_route(sending, buffer_text(&pattern), row);
        buffer_free(&pattern);
    }
    table_free(&table);
}

/* Mail for other domains, without a relayhost. */
static void take_direct(struct sending *sending)
{
    struct import *import = sending->import;
    struct row row = {(char[]){"*"}, (char *)postfix_value(sending->postfix, "default_transport"),
                      postfix_note(sending->postfix, "default_transport")};
    if (strcmp(row.value, "smtp") != 0 && *row.value) {
        take_route(sending, "*", &row);
        return;
    }
    if (!route_take(import, NOTE_NONE, "*", "mx"))
        return;
    note_file(import, POSTFIX_MAIN, IMPORT_TAKEN,
              "names no relayhost: Postfix asks the DNS for each domain's own hosts, and so does "
              "ours by [route \"*\"] via = mx");
    route_take_tls(import, "*", "Postfix", sending->tls,
                   postfix_note(sending->postfix, "smtp_tls_security_level"));
    for (size_t i = 0; i < TLS_NAMES; i++)
        take_credit(import, postfix_note(sending->postfix, tls_names[i]), "route", "*", "tls");
}

static void take_limits(struct sending *sending)
{
    struct postfix *postfix = sending->postfix;
    static const char *const names[] = {"smtp_destination_concurrency_limit",
                                        "default_destination_concurrency_limit"};
    static const char *const delays[] = {"smtp_destination_rate_delay",
                                         "default_destination_rate_delay"};
    uint64_t seconds;
    for (size_t i = 0; i < 2; i++)
        if (postfix_is_set(postfix, names[i]) &&
            taken_value(sending->import, "smarthost", "", "host"))
            take_setting(sending->import, postfix_note(postfix, names[i]), "smarthost", "",
                         "connections", postfix_value(postfix, names[i]));
    for (size_t i = 0; i < 2; i++) {
        if (!postfix_is_set(postfix, delays[i]) ||
            !taken_value(sending->import, "smarthost", "", "host") ||
            !postfix_time(postfix, delays[i], 's', &seconds))
            continue;
        struct buffer rate = {0};
        if (seconds && seconds <= 3600)
            buffer_format(&rate, seconds <= 60 ? "%u/m" : "%u/h",
                          (unsigned)((seconds <= 60 ? 60 : 3600) / seconds));
        take_setting(sending->import, postfix_note(postfix, delays[i]), "smarthost", "", "rate",
                     buffer_text(&rate));
        buffer_free(&rate);
    }
}

void postfix_take_sending(struct postfix *postfix)
{
    struct sending sending = {.postfix = postfix, .import = postfix->importing->import};
    table_read_all(postfix, "smtp_sasl_password_maps", true, &sending.passwords);
    table_read_all(postfix, "smtp_tls_policy_maps", false, &sending.policies);
    find_tls(&sending);
    const char *relayhost = postfix_value(postfix, "relayhost");
    if (*relayhost)
        take_hop(&sending, "", NULL, relayhost, postfix_note(postfix, "relayhost"));
    take_sender_maps(&sending);
    take_transports(&sending);
    if (!*relayhost && !taken_value(sending.import, "route", "*", "via"))
        take_direct(&sending);
    take_limits(&sending);
    postfix_rest(postfix, "relayhost", IMPORT_SAME, "says nothing");
    postfix_rest(postfix, "default_transport", IMPORT_SAME, "ours sends it so, too");
    postfix_say(postfix, "smtp_sasl_auth_enable", IMPORT_SAME, "user and password say so");
    for (size_t i = 0; i < TLS_NAMES; i++)
        postfix_rest(postfix, tls_names[i], IMPORT_SAME, "smtp_tls_security_level counts");
    for (size_t i = 0; i < sending.passwords.count; i++)
        if (!note_has_words(sending.import, sending.passwords.rows[i].note))
            note_say(sending.import, sending.passwords.rows[i].note, IMPORT_LEFT,
                     "not taken over: mail goes to no next hop of this name");
    for (size_t i = 0; i < sending.policies.count; i++)
        if (!note_has_words(sending.import, sending.policies.rows[i].note))
            note_say(sending.import, sending.policies.rows[i].note, IMPORT_LEFT,
                     "not taken over: no smarthost has this name; a [route] has its tls");
    table_free(&sending.passwords);
    table_free(&sending.policies);
}

/* See account.h. */
#include "setup/account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "config/smarthost.h"
#include "setup/save.h"

static const char section[] = "smarthost";
static const char bridge[] = "/bin/cat ";

/* What was said about the old next hop, and says nothing about another one. */
static const char *const of_the_host[] = {
    "tls_trust", "tls_fingerprint", "tls_certificate", "tls_key", "auth", NULL};

char *account_bridge(const char *password_path)
{
    struct buffer command = {0};
    buffer_format(&command, "%s\"", bridge);
    for (; *password_path; password_path++) {
        if (*password_path == '"' || *password_path == '\\')
            buffer_append_byte(&command, '\\');
        buffer_append_byte(&command, *password_path);
    }
    buffer_append_byte(&command, '"');
    return buffer_take(&command);
}

bool account_is_bridged(const struct edit *edit, const char *name)
{
    const char *command = edit_find(edit, section, name, "password_command");
    return command && strncmp(command, bridge, strlen(bridge)) == 0 &&
           strstr(command, "/" SAVE_PREFIX);
}

bool account_is_the_same(const struct edit *edit, const char *name, const char *host,
                         const char *user)
{
    const char *old_host = edit_find(edit, section, name, "host");
    const char *old_user = edit_find(edit, section, name, "user");
    return old_host && host && text_equal(old_host, host) &&
           strcmp(old_user ? old_user : "", user ? user : "") == 0;
}

static struct outcome comment_out(const struct smarthost_account *account, struct edit *edit,
                                  const char *key, struct texts *dropped)
{
    if (!edit_find(edit, section, account->name, key))
        return outcome_done();
    struct buffer words = {0};
    buffer_format(&words, *account->name ? "[%s \"%s\"] %s" : "[%s%s] %s", section, account->name,
                  key);
    texts_add(dropped, buffer_text(&words));
    buffer_free(&words);
    return edit_comment_out(edit, section, account->name, key);
}

static struct outcome set(const struct smarthost_account *account, struct edit *edit,
                          const char *key, const char *value)
{
    return value ? edit_set(edit, section, account->name, key, value) : outcome_done();
}

/* A number that is in force already needs no line. */
static bool has_port(const struct smarthost *old, const char *port)
{
    uint64_t number;
    return old && text_to_number(port, 1, 65535, &number) && number == old->port;
}

static struct outcome put_host(const struct smarthost_account *account, struct edit *edit,
                               struct texts *dropped)
{
    const char *old = edit_find(edit, section, account->name, "host");
    bool moves = old && account->host && strcmp(old, account->host) != 0;
    struct outcome outcome = set(account, edit, "host", account->host);
    for (size_t i = 0; moves && of_the_host[i] && outcome_good(&outcome); i++)
        outcome = comment_out(account, edit, of_the_host[i], dropped);
    return outcome;
}

static struct outcome put_way(const struct smarthost_account *account, const struct smarthost *old,
                              struct edit *edit)
{
    bool is_new = !edit_find(edit, section, account->name, "host") || !old;
    struct outcome outcome = outcome_done();
    if (account->port && (is_new || !has_port(old, account->port) ||
                          edit_find(edit, section, account->name, "port")))
        outcome = set(account, edit, "port", account->port);
    /* starttls is the default */
    if (outcome_good(&outcome) && account->tls &&
        (is_new || strcmp(account->tls, "starttls") != 0 ||
         edit_find(edit, section, account->name, "tls")))
        outcome = set(account, edit, "tls", account->tls);
    return outcome_good(&outcome) ? set(account, edit, "tls_trust", account->tls_trust) : outcome;
}

static struct outcome put_user(const struct smarthost_account *account, struct edit *edit,
                               struct texts *dropped)
{
    struct outcome outcome = outcome_done();
    if (account->user && !*account->user)
        outcome = comment_out(account, edit, "user", dropped);
    else
        outcome = set(account, edit, "user", account->user);
    if (!outcome_good(&outcome) || !(account->has_password || (account->user && !*account->user)))
        return outcome;
    if (account_is_bridged(edit, account->name))
        return edit_remove(edit, section, account->name, "password_command");
    return comment_out(account, edit, "password_command", dropped);
}

/* Whether all senders become the user that the account had, as setup writes it, and no longer has.
 */
static bool is_of_old_user(const struct smarthost_account *account, const struct settings *now,
                           const struct edit *edit)
{
    const struct smarthost *old = settings_smarthost(now, account->name);
    const char *rule = edit_find(edit, "mail", "", "masquerade");
    struct buffer usual = {0};
    bool other_user = old && account->user && strcmp(account->user, old->user) != 0;
    bool other_host = old && account->host &&
                      !(old->hosts.count == 1 && text_equal(old->hosts.items[0], account->host));
    buffer_format(&usual, "*@*: %s", old ? old->user : "");
    bool is = rule && !*account->name && (other_user || other_host) &&
              strcmp(rule, buffer_text(&usual)) == 0;
    buffer_free(&usual);
    return is;
}

static struct outcome put_mail(const struct smarthost_account *account, const struct settings *now,
                               struct edit *edit, struct texts *dropped)
{
    struct outcome outcome = outcome_done();
    bool outlived = is_of_old_user(account, now, edit);
    if (account->domain && !text_equal(account->domain, now->domain))
        outcome = edit_set(edit, "mail", "", "domain", account->domain);
    if (outcome_good(&outcome) && account->masquerade && (outlived || !now->masquerade.count))
        return edit_set(edit, "mail", "", "masquerade", account->masquerade);
    if (outcome_good(&outcome) && outlived) {
        texts_add(dropped, "[mail] masquerade");
        outcome = edit_comment_out(edit, "mail", "", "masquerade");
    }
    return outcome;
}

struct outcome account_apply(const struct smarthost_account *account, const struct settings *now,
                             struct edit *edit, struct texts *dropped)
{
    const struct smarthost *old = settings_smarthost(now, account->name);
    struct outcome outcome = put_mail(account, now, edit, dropped);
    if (outcome_good(&outcome) && *account->name)
        outcome = set(account, edit, "senders", account->senders);
    if (outcome_good(&outcome))
        outcome = put_host(account, edit, dropped);
    if (outcome_good(&outcome))
        outcome = put_way(account, old, edit);
    return outcome_good(&outcome) ? put_user(account, edit, dropped) : outcome;
}

/* Whether the route leads past an account that was not there. */
static bool is_in_the_way(const struct edit *before, const struct edit *edit)
{
    const char *via = edit_find(edit, "route", "*", "via");
    const char *old = edit_find(before, section, "", "host");
    const char *host = edit_find(edit, section, "", "host");
    return via && !text_equal(via, "smarthost") && host && !(old && text_equal(old, host));
}

/* A key of that route; NULL: there is none left. */
static const char *route_key(const struct edit *edit)
{
    for (size_t i = 0; i < edit->count; i++) {
        const struct edit_entry *entry = &edit->entries[i];
        if (entry->key && text_equal(entry->section, "route") && strcmp(entry->name, "*") == 0)
            return entry->key;
    }
    return NULL;
}

struct outcome account_drop_route(const struct edit *before, struct edit *edit,
                                  struct texts *dropped)
{
    struct outcome outcome = outcome_done();
    const char *key;
    if (!is_in_the_way(before, edit))
        return outcome;
    while (outcome_good(&outcome) && (key = route_key(edit))) {
        struct buffer words = {0};
        buffer_format(&words, "[route \"*\"] %s", key);
        texts_add(dropped, buffer_text(&words));
        buffer_free(&words);
        outcome = edit_comment_out(edit, "route", "*", key);
    }
    /* A section that says not where to is a fault. */
    return outcome_good(&outcome) ? edit_comment_out(edit, "route", "*", NULL) : outcome;
}

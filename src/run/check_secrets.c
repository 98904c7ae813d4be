/*
 * See check_secrets.h. What is read is wiped at once; no words made here hold a byte of a secret,
 * nor of a command line that could have one.
 */
#include "run/check_secrets.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "check/certificate.h"
#include "check/rights.h"
#include "config/command.h"
#include "config/credentials.h"
#include "config/smarthost.h"
#include "net/signing_key.h"
#include "net/tls_client.h"

enum { MOST_SECRET = 65536, OTHERS = S_IRWXG | S_IRWXO, FEW_BITS = 2048 };

/* Whether the file is there, but not for us to read: what chown mends. */
static bool is_closed(const char *path)
{
    return access(path, F_OK) == 0 && access(path, R_OK) < 0;
}

/* ---- passwords ---- */

static void check_command(const struct smarthost *smarthost, const char *heading,
                          struct findings *findings)
{
    struct texts words = {0};
    const char *why;
    if (!command_split(smarthost->password_command, &words, &why))
        finding_add(findings, FINDING_FAULT, "sign-in", "%s: password_command: %s", heading, why);
    else if (access(words.items[0], X_OK) < 0)
        finding_add(findings, FINDING_FAULT, "sign-in",
                    "%s: password_command cannot be started: %s: %s", heading, words.items[0],
                    strerror(errno));
    else
        finding_add(findings, FINDING_GOOD, "sign-in",
                    "%s: %s is there to tell the password; --online asks it", heading,
                    words.items[0]);
    texts_free(&words);
}

/* For the file that could not be read, which may be another than that at path. One in a folder that
 * is not to be entered, no chown of its own opens. */
static void add_file_remedy(const struct smarthost *smarthost, const char *path,
                            struct findings *findings)
{
    const struct passwd *me = getpwuid(geteuid());
    char *file = credentials_file(smarthost, path);
    char *word = shell_word(file);
    if (me && access(file, F_OK) == 0)
        finding_remedy(findings, "chown %s: %s && chmod 600 %s", me->pw_name, word, word);
    else if (me)
        finding_remedy(findings, "let the user %s enter the folder of %s", me->pw_name, file);
    free(word);
    free(file);
}

static void add_password_remedy(const struct smarthost *smarthost, const char *path,
                                const struct outcome *outcome, struct findings *findings)
{
    if (outcome->exit_status == EX_NOPERM)
        add_file_remedy(smarthost, path, findings);
    else if (access(path, F_OK) < 0 || strstr(outcome->reason, " has no password in "))
        finding_remedy(findings, "postrider setup, which asks for it");
}

static void check_password(const struct smarthost *smarthost, const char *path,
                           struct findings *findings)
{
    char *heading = smarthost_heading(smarthost);
    if (*smarthost->password_command) {
        check_command(smarthost, heading, findings);
    } else {
        struct buffer secret = {.limit = MOST_SECRET};
        const struct outcome outcome = credentials_find(smarthost, path, &secret);
        buffer_wipe(&secret);
        if (outcome_good(&outcome)) {
            finding_add(findings, FINDING_GOOD, "sign-in", "%s has its password in %s", heading,
                        path);
        } else {
            finding_add(findings, FINDING_FAULT, "sign-in", "%s cannot sign in: %s", heading,
                        outcome.reason);
            add_password_remedy(smarthost, path, &outcome, findings);
        }
    }
    free(heading);
}

/* Of one that is needed credentials_find has said so. */
static void check_file(const char *path, struct findings *findings)
{
    struct stat status;
    if (stat(path, &status) < 0 || (status.st_mode & OTHERS) == 0)
        return;
    char *word = shell_word(path);
    finding_add(findings, FINDING_WARNING, "sign-in", "%s can be read by other users", path);
    finding_remedy(findings, "chmod 600 %s", word);
    free(word);
}

/* ---- certificates ---- */

/* The installed queue's user reads a key of root's by his group: closed to that as well, no mail
 * would leave. A user's own settings name keys of his own. */
static void add_key_remedy(const char *path, bool own, struct findings *findings)
{
    char *word = shell_word(path);
    if (own)
        finding_remedy(findings, "chmod 640 %s", word);
    else
        finding_remedy(findings, "chown root:%s %s && chmod 640 %s", POSTRIDER_USER, word, word);
    free(word);
}

static void check_tls(const struct smarthost *smarthost, bool own, struct findings *findings)
{
    const struct tls_wish wish = {.verify = smarthost->tls != TLS_OPPORTUNISTIC,
                                  .trust = smarthost->tls_trust,
                                  .fingerprint = smarthost->tls_fingerprint,
                                  .certificate = smarthost->tls_certificate,
                                  .key = smarthost->tls_key};
    bool is_for;
    if (*smarthost->tls_certificate &&
        !check_certificate(smarthost->tls_certificate, NULL, &is_for, "certificate", findings))
        return;
    const struct outcome outcome = tls_load(&wish);
    if (outcome_good(&outcome))
        return;
    char *heading = smarthost_heading(smarthost);
    finding_add(findings, FINDING_FAULT, "certificate", "%s: %s", heading, outcome.reason);
    if (strstr(outcome.reason, "ca-certificates"))
        finding_remedy(findings, "apt-get install ca-certificates");
    else if (strstr(outcome.reason, "tls_trust"))
        finding_remedy(findings,
                       "in %s: tls_trust = system, or a PEM file of authorities that the user %s "
                       "can read",
                       heading, POSTRIDER_USER);
    else if (!own && is_closed(smarthost->tls_key))
        add_key_remedy(smarthost->tls_key, own, findings);
    else
        finding_remedy(findings, "in %s: name PEM files that belong together", heading);
    free(heading);
}

static void check_key_rights(const struct smarthost *smarthost, bool own, struct findings *findings)
{
    struct stat status;
    if (!*smarthost->tls_key || stat(smarthost->tls_key, &status) < 0 ||
        (status.st_mode & (S_IWGRP | S_IRWXO)) == 0)
        return;
    finding_add(findings, FINDING_WARNING, "certificate", "the key %s is open to other users",
                smarthost->tls_key);
    add_key_remedy(smarthost->tls_key, own, findings);
}

void check_credentials(const struct settings *settings, bool own, struct findings *findings)
{
    char *path = settings_credentials_path(settings);
    bool needed = false;
    for (size_t i = 0; i < settings->smarthost_count; i++) {
        const struct smarthost *smarthost = &settings->smarthosts[i];
        if (smarthost_signs_in(smarthost) && smarthost->auth != AUTH_EXTERNAL) {
            needed = needed || !*smarthost->password_command;
            check_password(smarthost, path, findings);
        }
        if (smarthost->tls != TLS_OFF)
            check_tls(smarthost, own, findings);
        check_key_rights(smarthost, own, findings);
    }
    if (!needed)
        check_file(path, findings);
    free(path);
}

/* ---- keys that sign ---- */

static bool check_signing_key(const struct dkim *dkim, size_t at, struct findings *findings)
{
    const char *path = dkim->keys.items[at], *selector = dkim->selectors.items[at];
    struct signing_key *key;
    const struct outcome outcome = signing_key_load(path, &key);
    if (!outcome_good(&outcome)) {
        finding_add(findings, FINDING_FAULT, "dkim", "mail by %s is not signed, and waits: %s",
                    dkim->pattern, outcome.reason);
        if (access(path, F_OK) < 0)
            finding_remedy(findings, "postrider dkim-key --selector %s %s", selector, dkim->domain);
        return false;
    }
    const enum key_type type = signing_key_type(key);
    const unsigned bits = signing_key_bits(key);
    signing_key_free(key);
    const bool weak = type == KEY_RSA && bits < FEW_BITS;
    finding_add(findings, weak ? FINDING_WARNING : FINDING_GOOD, "dkim",
                "mail by %s is signed with the key of selector %s, %s of %u bits%s", dkim->pattern,
                selector, signing_key_name(type), bits,
                weak ? ", which some verifiers take for too weak" : "");
    if (weak)
        finding_remedy(findings, "postrider dkim-key --selector %s2 %s", selector, dkim->domain);
    return type == KEY_RSA;
}

void check_dkim(const struct settings *settings, struct findings *findings)
{
    for (size_t i = 0; i < settings->dkim_count; i++) {
        const struct dkim *dkim = &settings->dkims[i];
        const size_t before = findings->count;
        bool has_rsa = false;
        for (size_t k = 0; k < dkim->selectors.count; k++)
            has_rsa = check_signing_key(dkim, k, findings) || has_rsa;
        if (has_rsa || findings->items[before].mark == FINDING_FAULT)
            continue;
        finding_add(findings, FINDING_HINT, "dkim",
                    "many verifiers know no Ed25519, and take mail by %s for unsigned",
                    dkim->pattern);
        finding_remedy(findings, "postrider dkim-key --type rsa --selector rsa %s", dkim->domain);
    }
}

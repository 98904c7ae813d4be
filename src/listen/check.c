/*
 * The files of the listener, read by whom a start of it would have them read: certificates and
 * their keys by root, if it is root's, and all else by the user whom it becomes. Never prints a
 * secret.
 */
#include "listen/check.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/landlock.h"
#include "base/memory.h"
#include "base/privilege.h"
#include "check/certificate.h"
#include "check/finding.h"
#include "check/rights.h"
#include "config/filtering.h"
#include "config/host.h"
#include "config/listener.h"
#include "config/paths.h"
#include "config/settings.h"
#include "filter/lists.h"
#include "filter/milter_link.h"
#include "listen/users.h"
#include "net/tls_server.h"

static const char topic[] = "listener";

enum { MILTER_MS = 5000 };

struct task {
    const char *config; /* NULL: the installed settings */
};

static struct outcome read_arguments(int argc, char *const argv[], struct task *task)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "-C") == 0 && i + 1 < argc)
            task->config = argv[++i];
        else if (strcmp(argv[i], "--online") != 0) /* others look at the network */
            return outcome_refuse(EX_USAGE, "check does not know \"%.100s\"", argv[i]);
    return outcome_done();
}

/* ---- certificates ---- */

/* One for each client that names a host; so it is enough that one is for ours. */
static bool check_certificates(const struct listener *listener, const char *hostname,
                               struct findings *findings)
{
    bool valid = true, named = false, is_for;
    for (size_t i = 0; i < listener->tls_certificates.count; i++) {
        valid = check_certificate(listener->tls_certificates.items[i], hostname, &is_for,
                                  "certificate", findings) &&
                valid;
        named = named || is_for;
    }
    if (named || !valid)
        return valid;
    char *heading = listener_heading(listener);
    finding_add(findings, FINDING_HINT, "certificate",
                "%s: no certificate is for %s, the name of this machine: clients that call it so "
                "and verify stay away",
                heading, hostname);
    free(heading);
    return valid;
}

/* What is out of its dates is told already, and the listener takes it all the same. */
static void check_keys(const struct listener *listener, struct findings *findings)
{
    struct tls_identity *identity = NULL;
    const struct outcome outcome = tls_identity_load(
        &listener->tls_certificates, &listener->tls_keys, listener->tls_client_ca, &identity);
    tls_identity_free(identity);
    if (outcome_good(&outcome))
        return;
    finding_add(findings, FINDING_FAULT, "certificate", "%s", outcome.reason);
    if (strstr(outcome.reason, "does not fit"))
        finding_remedy(findings,
                       "put there the key with which that certificate was made, or make a "
                       "new pair: sh contrib/make-certificate.sh");
}

/* ---- what is open to whom ---- */

static bool is_near(const char *address)
{
    struct host host;
    const char *why;
    if (*address == '*')
        return false;
    bool near = host_parse(address, &host, &why) && host_is_loopback(host.name);
    free(host.name);
    return near;
}

static void check_clear(const struct listener *listener, struct findings *findings)
{
    const char *open = NULL;
    for (size_t i = 0; i < listener->addresses.count && !open; i++)
        if (!is_near(listener->addresses.items[i]))
            open = listener->addresses.items[i];
    if (listener->tls != TLS_OFF || !open)
        return;
    char *heading = listener_heading(listener);
    finding_add(findings, FINDING_WARNING, topic,
                "%s: with tls = off mail comes in at %s in clear, for all on the way to read%s",
                heading, open,
                *listener->users ? ", and nobody can sign in but from this machine" : "");
    finding_remedy(findings, "tls = starttls, tls_certificate and tls_key; to begin with: sh "
                             "contrib/make-certificate.sh");
    free(heading);
}

/* ---- files of the user whom it becomes ---- */

static void check_users(const struct listener *listener, struct findings *findings)
{
    static const unsigned char none[SASL_SECRET_SIZE];
    struct users users;
    bool verifiers;
    struct outcome outcome = users_open(listener->users, none, &users);
    if (outcome_good(&outcome))
        outcome = users_check(&users, &verifiers);
    users_close(&users);
    if (outcome_good(&outcome)) {
        finding_add(findings, FINDING_GOOD, "users", "%s can be read", listener->users);
        return;
    }
    char *word = shell_word(listener->users);
    finding_add(findings, FINDING_FAULT, "users", "nobody can sign in: %s", outcome.reason);
    if (access(listener->users, F_OK) < 0)
        finding_remedy(findings, "postrider passwd NAME, which makes it");
    else if (outcome.exit_status == EX_NOPERM)
        finding_remedy(findings, "chown root:%s %s && chmod 640 %s", POSTRIDER_USER, word, word);
    free(word);
}

/* They were read when the listener began; this is about the next change. */
static void check_list_files(const struct filtering *filter, struct findings *findings)
{
    const struct texts *lists[] = {&filter->block_senders, &filter->allow_senders,
                                   &filter->block_clients, &filter->allow_clients,
                                   &filter->block_helo,    &filter->allow_helo};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (size_t k = 0; k < lists[i]->count; k++) {
            const char *path = filtering_file(lists[i]->items[k]);
            if (!path || access(path, R_OK) == 0)
                continue;
            char *word = shell_word(path);
            finding_add(findings, FINDING_WARNING, "filter",
                        "%s can be read by root alone: changes of it do not count before the "
                        "listener is started anew",
                        path);
            finding_remedy(findings, "chgrp %s %s && chmod g+r %s", POSTRIDER_USER, word, word);
            free(word);
        }
}

static void check_lists(const struct filtering *filter, struct findings *findings)
{
    struct lists *lists = NULL;
    const struct outcome outcome = lists_load(filter, &lists);
    lists_free(lists);
    if (!outcome_good(&outcome)) {
        finding_add(findings, FINDING_FAULT, "filter", "no mail is taken in: %s", outcome.reason);
        finding_remedy(findings, "mend that file, then start the listener");
    }
}

/* Those at the other end of a network are for --online. */
static void check_milter(const struct filtering *filter, const char *name,
                         struct findings *findings)
{
    static const char *const ends[] = {[MILTER_TEMPFAIL] = "mail is put off until it is there",
                                       [MILTER_ACCEPT] = "mail is taken without it",
                                       [MILTER_REJECT] = "mail is refused"};
    struct milter_link link = {.name = name, .limit = MILTER_MS};
    const struct outcome outcome = milter_link_open(&link);
    milter_link_close(&link);
    buffer_free(&link.in);
    buffer_free(&link.out);
    if (outcome_good(&outcome)) {
        finding_add(findings, FINDING_GOOD, "milter", "%s can be connected to", name);
        return;
    }
    finding_add(findings, filter->milter_default == MILTER_ACCEPT ? FINDING_WARNING : FINDING_FAULT,
                "milter", "%s: %s: %s", name, outcome.reason, ends[filter->milter_default]);
    finding_remedy(findings, "start it, and give the user %s the right to write to its socket",
                   POSTRIDER_USER);
}

static void check_filter(const struct filtering *filter, struct findings *findings)
{
    check_list_files(filter, findings);
    for (size_t i = 0; i < filter->milters.count; i++)
        if (strncmp(filter->milters.items[i], "unix:", strlen("unix:")) == 0)
            check_milter(filter, filter->milters.items[i], findings);
}

/* ---- the whole ---- */

/* Whether a start by this process would be allowed to read what it needs. */
static bool may_start(const struct task *task)
{
    const struct passwd *user = getpwnam(POSTRIDER_USER);
    return task->config || geteuid() == 0 || (user && user->pw_uid == geteuid());
}

static void look_as_root(const struct settings *settings, bool all, struct findings *findings)
{
    for (size_t i = 0; i < settings->listener_count; i++) {
        const struct listener *listener = &settings->listeners[i];
        check_clear(listener, findings);
        if (listener->tls != TLS_OFF && all &&
            check_certificates(listener, settings->hostname, findings))
            check_keys(listener, findings);
    }
    if (all)
        check_lists(&settings->filter, findings);
}

static void look_as_user(const struct settings *settings, struct findings *findings)
{
    for (size_t i = 0; i < settings->listener_count; i++)
        if (*settings->listeners[i].users)
            check_users(&settings->listeners[i], findings);
    check_filter(&settings->filter, findings);
    if (landlock_version() == 0)
        finding_add(findings, geteuid() == 0 ? FINDING_FAULT : FINDING_HINT, topic,
                    "this kernel has no Landlock: %s",
                    geteuid() == 0 ? "root can take no mail in with settings of his own"
                                   : "sessions are locked in by their user and seccomp alone");
}

struct outcome listen_check_run(int argc, char *const argv[])
{
    struct task task = {0};
    struct settings settings = {0};
    struct findings findings = {0};
    memory_wipe_freed();
    struct outcome outcome = read_arguments(argc, argv, &task);
    if (outcome_good(&outcome))
        outcome = settings_load(task.config, &settings);
    if (outcome_good(&outcome)) {
        const bool all = may_start(&task);
        look_as_root(&settings, all, &findings);
        if (!task.config && geteuid() == 0)
            outcome = privilege_become(POSTRIDER_USER);
        if (outcome_good(&outcome) && all)
            look_as_user(&settings, &findings);
    }
    if (outcome_good(&outcome))
        finding_print(&findings);
    finding_free(&findings);
    settings_free(&settings);
    return outcome;
}

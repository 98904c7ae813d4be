/*
 * nullmailer: its folder of files with one value each, and remotes, as nullmailer-send(8) reads
 * them. It delivers nothing on this machine; every recipient here can go to one address instead.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_account.h"
#include "setup/import_programs.h"

#define FOLDER "/etc/nullmailer/"

static const char remotes[] = FOLDER "remotes";

struct reading {
    struct importing *importing;
    char *name; /* of this machine, for recipients: "me" */
};

/* ---- remotes ---- */

/* One remote: what stands behind its host. */
struct remote {
    struct said host, protocol, port, user, password, certificate, key, trust;
    bool tls, starttls, login, insecure;
    size_t note;
};

/* As a shell reads words; false: a quote is not closed. */
static bool split(const char *text, struct texts *words)
{
    for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
        struct buffer word = {0};
        char quote = '\0';
        for (; *text && (quote || !strchr(" \t", *text)); text++) {
            if (quote ? *text == quote : *text == '"' || *text == '\'')
                quote = quote ? '\0' : *text;
            else if (*text == '\\' && quote != '\'' && text[1])
                buffer_append_byte(&word, *++text);
            else
                buffer_append_byte(&word, *text);
        }
        texts_add(words, buffer_text(&word));
        buffer_wipe(&word);
        if (quote)
            return false;
    }
    return words->count > 0;
}

static void free_words(struct texts *words)
{
    for (size_t i = 0; i < words->count; i++)
        memory_wipe(words->items[i], strlen(words->items[i]));
    texts_free(words);
}

/* The line without its password. */
static void show(const struct texts *words, bool good, struct buffer *shown)
{
    for (size_t i = 0; i < words->count; i++) {
        const char *word = words->items[i], *option = text_starts(word, "--") ? word + 2 : word;
        bool secret = text_starts(option, "pass") || !good;
        buffer_append_text(shown, i ? " " : "");
        if (secret && i)
            buffer_format(shown, "%.*s****", (int)(strcspn(word, "=") + (strchr(word, '=') != 0)),
                          good ? word : "");
        else
            buffer_append_text(shown, word);
    }
}

static void take_option(struct importing *importing, struct remote *remote, const char *option,
                        const char *value)
{
    struct import *import = importing->import;
    const struct {
        const char *name;
        struct said *said;
    } values[] = {{"port", &remote->port},       {"user", &remote->user},
                  {"pass", &remote->password},   {"x509certfile", &remote->certificate},
                  {"x509keyfile", &remote->key}, {"x509cafile", &remote->trust}};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (strcmp(option, values[i].name) == 0) {
            said_set(values[i].said, value, remote->note);
            return;
        }
    if (strcmp(option, "tls") == 0 || strcmp(option, "ssl") == 0)
        remote->tls = true;
    else if (strcmp(option, "starttls") == 0)
        remote->starttls = true;
    else if (strcmp(option, "auth-login") == 0)
        remote->login = true;
    else if (strcmp(option, "insecure") == 0)
        remote->insecure = true;
    else
        note_say(import, remote->note, IMPORT_LEFT, "%s is not taken over: ours has no such thing",
                 option);
}

static void begin_remote(struct remote *remote)
{
    struct said *all[] = {&remote->host,     &remote->protocol,    &remote->port, &remote->user,
                          &remote->password, &remote->certificate, &remote->key,  &remote->trust};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        said_free(all[i]);
}

static void parse_remote(struct importing *importing, const struct texts *words,
                         struct remote *remote)
{
    said_set(&remote->host, words->items[0], remote->note);
    said_set(&remote->protocol, words->count > 1 ? words->items[1] : "smtp", remote->note);
    for (size_t i = 2; i < words->count; i++) {
        const char *word = words->items[i];
        word += text_starts(word, "--") ? 2 : 0;
        struct buffer name = {0};
        size_t length = strcspn(word, "=");
        buffer_append(&name, word, length);
        take_option(importing, remote, buffer_text(&name), word[length] ? word + length + 1 : "");
        buffer_free(&name);
    }
    if (remote->certificate.value && !remote->key.value)
        said_set(&remote->key, remote->certificate.value, remote->note);
}

static bool is_same(const struct said *one, const struct said *other)
{
    return strcmp(one->value ? one->value : "", other->value ? other->value : "") == 0;
}

/* Whether two can be hosts of one account. */
static bool fit(const struct remote *one, const struct remote *other)
{
    return is_same(&one->user, &other->user) && is_same(&one->password, &other->password) &&
           is_same(&one->certificate, &other->certificate) && is_same(&one->key, &other->key) &&
           is_same(&one->trust, &other->trust) && one->tls == other->tls &&
           one->starttls == other->starttls && one->login == other->login;
}

static void add_host(struct import *import, struct buffer *hosts, const struct remote *remote)
{
    const char *name = remote->host.value;
    char *why;
    struct buffer host = {0};
    buffer_format(&host, strchr(name, ':') ? "[%s]" : "%s", name);
    if (remote->port.value)
        buffer_format(&host, ":%s", remote->port.value);
    if (take_would("smarthost", "", "host", buffer_text(&host), &why)) {
        buffer_format(hosts, "%s%s", hosts->length ? ", " : "", buffer_text(&host));
    } else {
        note_say(import, remote->note, IMPORT_LEFT, "not taken over, as our settings say: %s", why);
        free(why);
    }
    buffer_free(&host);
}

static void take_remotes(struct importing *importing, const struct remote *all, size_t count)
{
    struct import *import = importing->import;
    struct foreign account;
    struct buffer hosts = {0};
    foreign_begin(&account, "nullmailer", remotes, "");
    for (size_t i = 0; i < count; i++)
        if (fit(&all[0], &all[i]))
            add_host(import, &hosts, &all[i]);
        else
            note_say(import, all[i].note, IMPORT_LEFT,
                     "not taken over: the hosts of one account of ours share their user and their "
                     "TLS with the first; another account is for other senders");
    const struct remote *first = &all[0];
    said_set(&account.hosts, buffer_text(&hosts), first->note);
    said_set(&account.port, first->tls ? "465" : "25", NOTE_NONE);
    account.tls = first->tls        ? FOREIGN_IMPLICIT
                  : first->starttls ? FOREIGN_STARTTLS
                                    : FOREIGN_CLEAR;
    foreign_said_tls(&account, first->note);
    account.verified = !first->insecure;
    said_set(&account.trust, first->trust.value, first->note);
    said_set(&account.certificate, first->certificate.value, first->note);
    said_set(&account.key, first->key.value, first->note);
    said_set(&account.user, first->user.value, first->note);
    said_set(&account.password, first->password.value, first->note);
    said_set(&account.auth, first->login ? "login" : NULL, first->note);
    foreign_take(import, &account);
    for (size_t i = 1; i < count; i++)
        if (fit(first, &all[i]))
            take_credit(import, all[i].note, "smarthost", "", "host");
    foreign_free(&account);
    buffer_free(&hosts);
}

static bool read_remotes(struct importing *importing)
{
    struct source source;
    struct source_line line;
    struct remote *all = NULL;
    size_t count = 0;
    bool there = source_open(importing, remotes, SOURCE_MAIN, &source);
    while (there && source_next(importing, &source, SOURCE_PLAIN, &line)) {
        struct texts words = {0};
        struct buffer shown = {0};
        bool good = split(line.text, &words);
        show(&words, good, &shown);
        struct remote remote = {0};
        begin_remote(&remote);
        remote.note = source_note(importing, &source, &line, buffer_text(&shown));
        if (!good)
            note_say(importing->import, remote.note, IMPORT_LEFT,
                     "not taken over: a quote is not closed");
        else
            parse_remote(importing, &words, &remote);
        if (good && strcmp(remote.protocol.value, "smtp") != 0) {
            note_say(importing->import, remote.note, IMPORT_LEFT,
                     "not taken over: ours speaks SMTP, and not %s", remote.protocol.value);
            good = false;
        }
        if (good) {
            all = memory_resize(all, (count + 1) * sizeof *all);
            all[count++] = remote;
        } else {
            begin_remote(&remote);
        }
        buffer_wipe(&shown);
        free_words(&words);
    }
    source_free(&source);
    if (count)
        take_remotes(importing, all, count);
    for (size_t i = 0; i < count; i++)
        begin_remote(&all[i]);
    free(all);
    return there;
}

/* ---- files with one value ---- */

static char *read_value(struct reading *reading, const char *name, size_t *note)
{
    struct buffer path = {0};
    buffer_format(&path, FOLDER "%s", name);
    char *value = source_word(reading->importing, buffer_text(&path), SOURCE_MAYBE, note);
    buffer_free(&path);
    return value;
}

/* With the default domain behind it if it has no dot. */
static char *read_host(struct reading *reading, const char *name, const char *domain, size_t *note)
{
    char *host = read_value(reading, name, note);
    if (!host || strchr(host, '.') || !domain || strcmp(host, "localhost") == 0)
        return host;
    struct buffer whole = {0};
    buffer_format(&whole, "%s.%s", host, domain);
    free(host);
    return buffer_take(&whole);
}

static void take_names(struct reading *reading)
{
    struct import *import = reading->importing->import;
    size_t note, domain_note;
    char *domain = read_value(reading, "defaultdomain", &domain_note);
    note_say(import, domain_note, IMPORT_SAME, "behind the names of the other files without a dot");
    char *host = read_host(reading, "defaulthost", domain, &note);
    if (host)
        take_setting(import, note, "mail", "", "domain", host);
    reading->name = read_host(reading, "me", domain, &note);
    char *helo = NULL;
    size_t helo_note;
    if (reading->name)
        take_setting(import, note, "mail", "", "hostname", reading->name);
    helo = read_host(reading, "helohost", domain, &helo_note);
    if (helo) {
        take_setting(import, helo_note, "mail", "", "hostname", helo);
        if (reading->name && strcmp(helo, reading->name) != 0)
            note_say(import, note, IMPORT_OTHER, "helohost says another name, which counts");
    }
    char *id = read_value(reading, "idhost", &note);
    note_say(import, note, IMPORT_LEFT, "not taken over: ours puts hostname into a Message-ID");
    if (!reading->name)
        reading->name = source_domain(reading->importing);
    free(domain);
    free(host);
    free(helo);
    free(id);
}

/* Everybody on this machine is this address. */
static void take_admin(struct reading *reading)
{
    struct import *import = reading->importing->import;
    size_t note;
    char *admin = read_value(reading, "adminaddr", &note);
    const char *host = taken_value(import, "mail", "", "hostname");
    if (admin && *admin && take_alias(import, note, "root", admin)) {
        const char *names[] = {host ? host : reading->name, reading->name, "localhost"};
        for (size_t i = 0; i < 3; i++) {
            struct buffer key = {0};
            buffer_format(&key, "@%s", names[i] ? names[i] : "localhost");
            take_alias(import, note, buffer_text(&key), admin);
            buffer_free(&key);
        }
    } else if (!admin || !*admin) {
        note_file(import, FOLDER "adminaddr", IMPORT_OTHER,
                  "says nothing: nullmailer sends mail for users of this machine to the remotes, "
                  "ours keeps it here unless an alias leads elsewhere");
    }
    free(admin);
    char *from = read_value(reading, "allmailfrom", &note);
    if (from && *from) {
        struct buffer rule = {0};
        buffer_format(&rule, "*: %s", from);
        if (take_setting(import, note, "mail", "", "masquerade", buffer_text(&rule)))
            note_say(import, note, IMPORT_OTHER,
                     "nullmailer changes the envelope alone, ours From: as well");
        buffer_free(&rule);
    }
    free(from);
    char *bounces = read_value(reading, "doublebounceto", &note);
    if (bounces && *bounces)
        take_alias(import, note, "postmaster", bounces);
    free(bounces);
}

/* Seconds; 0: none are said. */
static uint64_t read_seconds(struct reading *reading, const char *name, size_t *note)
{
    uint64_t seconds = 0;
    char *text = read_value(reading, name, note);
    if (text && !text_to_number(text, 0, UINT32_MAX, &seconds))
        note_say(reading->importing->import, *note, IMPORT_LEFT,
                 "not taken over: it is no number of seconds");
    free(text);
    return seconds;
}

/* The pause doubles from the one to the other. */
static void take_pauses(struct reading *reading)
{
    enum { PAUSE = 60, LONGEST = 24 * 3600, STEPS_MOST = 24 };
    struct import *import = reading->importing->import;
    size_t pause_note, most_note;
    uint64_t pause = read_seconds(reading, "pausetime", &pause_note);
    uint64_t most = read_seconds(reading, "maxpause", &most_note);
    if (pause_note == NOTE_NONE && most_note == NOTE_NONE)
        return;
    if (pause_note != NOTE_NONE && pause == 0)
        note_say(import, pause_note, IMPORT_LEFT,
                 "not taken over: a queue run of ours always ends");
    pause = pause ? pause : PAUSE;
    most = most ? most : LONGEST;
    struct buffer steps = {0};
    for (size_t i = 0; i < STEPS_MOST && pause < most; i++, pause *= 2)
        put_seconds(&steps, pause), buffer_append_text(&steps, ", ");
    put_seconds(&steps, most);
    size_t note = pause_note != NOTE_NONE ? pause_note : most_note;
    if (take_setting(import, note, "queue", "", "retry", buffer_text(&steps)) && note != most_note)
        take_credit(import, most_note, "queue", "", "retry");
    else if (note != most_note)
        note_say(import, most_note, IMPORT_LEFT, "not taken over, as pausetime");
    buffer_free(&steps);
}

static void take_times(struct reading *reading)
{
    struct import *import = reading->importing->import;
    size_t note;
    take_pauses(reading);
    uint64_t lifetime = read_seconds(reading, "queuelifetime", &note);
    if (lifetime) {
        take_seconds(import, note, "queue", "lifetime", lifetime);
    } else if (note == NOTE_NONE) {
        note_file(import, FOLDER "queuelifetime", IMPORT_OTHER,
                  "says nothing: nullmailer gives mail up after 7 days, ours after 5 (lifetime)");
    }
    char *limit = read_value(reading, "sendtimeout", &note);
    note_say(import, note, IMPORT_SAME, "ours has the time limits of RFC 5321");
    free(limit);
}

void import_nullmailer(struct importing *importing)
{
    struct reading reading = {.importing = importing};
    bool there = read_remotes(importing);
    if (!there && outcome_good(&importing->outcome))
        importing->outcome =
            outcome_refuse(EX_NOINPUT, "there is no %s: has nullmailer settings here?", remotes);
    if (!there)
        return;
    take_names(&reading);
    take_admin(&reading);
    take_times(&reading);
    note_rest(importing->import, 0, IMPORT_SAME, "says nothing");
    free(reading.name);
}

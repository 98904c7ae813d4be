/* Lists as Exim writes them, and passwd.client (see import_exim.h; exim4-config_files(5)). */
#include <arpa/inet.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "setup/import_exim.h"

void exim_split(const char *text, struct texts *items)
{
    char separator = ':';
    text += strspn(text, " \t");
    if (*text == '<' && text[1] && !strchr(" \t", text[1])) {
        separator = text[1];
        text += 2;
    }
    while (*text) {
        struct buffer item = {0};
        for (; *text && (*text != separator || text[1] == separator); text++) {
            text += *text == separator;
            buffer_append_byte(&item, *text);
        }
        char *whole = buffer_take(&item), *trimmed = text_trim(whole);
        if (*trimmed)
            texts_add(items, trimmed);
        free(whole);
        text += *text == separator;
    }
}

void exim_put_host(const char *text, struct buffer *hosts)
{
    const char *colon = strchr(text, ':');
    const char *close = *text == '[' ? strchr(text, ']') : NULL;
    bool bare = !close && colon && strchr(colon + 1, ':');
    size_t length = close ? (size_t)(close - text) - 1 : strlen(text);
    char *inside = memory_copy(text + (close != NULL), length);
    buffer_append_text(hosts, hosts->length ? ", " : "");
    if (close && !strchr(inside, ':'))
        buffer_format(hosts, "%s%s", inside, close + 1);
    else
        buffer_format(hosts, bare ? "[%s]" : "%s", text);
    free(inside);
}

/* Whether an item is nothing that ours could have in a list. */
static bool is_computed(const char *item, bool networks)
{
    return strpbrk(item, "!/;$^+{") != NULL &&
           !(networks && strchr(item, '/') && strcspn(item, "!;$^+{") == strlen(item) &&
             *item != '/');
}

void exim_take_list(struct import *import, size_t note, const char *text, const char *section,
                    const char *name, const char *key)
{
    bool networks = strcmp(key, "relay_networks") == 0;
    struct texts items = {0};
    exim_split(text, &items);
    for (size_t i = 0; i < items.count; i++) {
        const char *item = items.items[i];
        if (strcmp(item, "@") == 0 || strcmp(item, "@[]") == 0 || strcmp(item, "localhost") == 0 ||
            (networks && *item == '\0'))
            note_say(import, note, IMPORT_SAME, "%s: ours has itself always", item);
        else if (*item == '@' || is_computed(item, networks))
            note_say(import, note, IMPORT_LEFT,
                     "%s is not taken over: ours has plain lists, without files and exceptions",
                     item);
        else
            take_setting(import, note, section, name, key, item);
    }
    if (!items.count)
        note_say(import, note, IMPORT_SAME, "says nothing");
    texts_free(&items);
}

/* "127.0.0.1.25" and "::1.25" have a port behind a dot. */
static void put_interface(const char *item, struct buffer *list)
{
    char *address = memory_copy(item, strlen(item));
    struct in6_addr six;
    struct in_addr four;
    const char *port = "";
    char *dot = strrchr(address, '.');
    bool whole = inet_pton(AF_INET, address, &four) == 1 || inet_pton(AF_INET6, address, &six) == 1;
    if (!whole && *address != '[' && dot) {
        *dot = '\0';
        if (inet_pton(AF_INET, address, &four) == 1 || inet_pton(AF_INET6, address, &six) == 1)
            port = dot + 1;
        else
            *dot = '.';
    }
    if (!*port) {
        exim_put_host(address, list);
    } else {
        buffer_append_text(list, list->length ? ", " : "");
        buffer_format(list, strchr(address, ':') ? "[%s]:%s" : "%s:%s", address, port);
    }
    free(address);
}

void exim_take_interfaces(struct import *import, size_t note, const char *text, const char *name)
{
    struct texts items = {0};
    struct buffer list = {0};
    exim_split(text, &items);
    for (size_t i = 0; i < items.count; i++)
        if (strcmp(items.items[i], "0.0.0.0") != 0 && strcmp(items.items[i], "::0") != 0 &&
            strcmp(items.items[i], "::") != 0)
            put_interface(items.items[i], &list);
        else if (!strstr(buffer_text(&list), "*"))
            buffer_format(&list, "%s*", list.length ? ", " : "");
    take_setting(import, note, "listen", name, "address", list.length ? buffer_text(&list) : "*");
    buffer_free(&list);
    texts_free(&items);
}

/* ---- passwd.client ---- */

/* A regular expression as POSIX has it; one that can cost far more than it says is none. */
static bool fits_expression(const char *text, const char *host)
{
    enum { PATTERN_LONGEST = 256 };
    struct buffer pattern = {.limit = PATTERN_LONGEST};
    bool good = true, fits = false;
    regex_t expression;
    for (; *text && good; text++) {
        bool dot = text[0] == '\\' && text[1] == '.';
        good = dot || !strchr("\\{}", *text);
        buffer_append_text(&pattern, dot ? "[.]" : "");
        if (dot)
            text++;
        else
            buffer_append_byte(&pattern, *text);
    }
    if (good && !pattern.failed &&
        regcomp(&expression, buffer_text(&pattern), REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0) {
        fits = regexec(&expression, host, 0, NULL, 0) == 0;
        regfree(&expression);
    }
    buffer_free(&pattern);
    return fits;
}

/* As nwildlsearch: "*" and what follows it, "^" and a regular expression, or the name. */
static bool is_for(const char *key, const char *host)
{
    size_t tail = *key == '*' ? strlen(key + 1) : 0, length = strlen(host);
    if (*key == '*')
        return length >= tail && text_equal(host + length - tail, key + 1);
    return *key == '^' ? fits_expression(key, host) : text_equal(key, host);
}

static bool is_for_any(const char *key, const char *hosts)
{
    struct texts items = {0};
    bool found = false;
    texts_split(&items, hosts);
    for (size_t i = 0; i < items.count && !found; i++) {
        char *host = items.items[i];
        host[strcspn(host, ":")] = '\0';
        found = is_for(key, host);
    }
    texts_free(&items);
    return found;
}

/* A line "host:user:password"; what stands where, for the words alone: never a secret. */
struct client {
    char *host, *user, *password;
    size_t note;
};

static bool read_client(struct importing *importing, const struct source *source,
                        struct source_line *line, struct client *client)
{
    char *host = line->text, *user = strchr(host, ':');
    char *password = user ? strchr(user + 1, ':') : NULL;
    struct buffer shown = {0};
    if (password)
        buffer_append(&shown, host, (size_t)(password - host) + 1);
    buffer_append_text(&shown, "****");
    client->note = source_note(importing, source, line, buffer_text(&shown));
    buffer_free(&shown);
    if (!password) {
        note_say(importing->import, client->note, IMPORT_LEFT,
                 "not taken over: it is no host:user:password");
        return false;
    }
    *user = *password = '\0';
    client->host = text_trim(host);
    client->user = user + 1 + strspn(user + 1, " \t");
    client->password = password + 1;
    client->password[strcspn(client->password, "\r")] = '\0';
    return true;
}

static bool is_same(const struct client *one, const struct client *other)
{
    return strcmp(one->user, other->user) == 0 && strcmp(one->password, other->password) == 0;
}

void exim_read_clients(struct importing *importing, const char *path, struct foreign *account)
{
    struct import *import = importing->import;
    struct source source;
    struct source_line line;
    struct client client, other = {0};
    bool one_account = true;
    bool there = source_open(importing, path, SOURCE_MAYBE, &source);
    while (there && source_next(importing, &source, SOURCE_PLAIN, &line)) {
        if (!read_client(importing, &source, &line, &client))
            continue;
        if (account->user.value || !account->hosts.value) {
            note_say(import, client.note, IMPORT_LEFT,
                     account->user.value ? "not taken over: an account above counts"
                                         : "not taken over: there is no smarthost");
        } else if (is_for_any(client.host, account->hosts.value)) {
            said_set(&account->user, client.user, client.note);
            said_set(&account->password, client.password, client.note);
        } else {
            one_account = one_account && (!other.host || is_same(&other, &client));
            other = client;
            note_say(import, client.note, IMPORT_OTHER, "it is for no smarthost by its name");
        }
    }
    if (other.host && one_account && !account->user.value) {
        said_set(&account->user, other.user, other.note);
        said_set(&account->password, other.password, other.note);
        note_say(import, other.note, IMPORT_OTHER,
                 "Exim looks for the name that the smarthost's address has in the DNS; as there is "
                 "no other account it is taken for its own");
    }
    source_free(&source);
}

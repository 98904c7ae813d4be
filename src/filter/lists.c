/*
 * See lists.h. What names one address, one domain or all below a domain is found at once, however
 * many there are; other patterns are tried one after the other.
 */
#include "filter/lists.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/filtering.h"
#include "config/network.h"
#include "config/values.h"
#include "mail/domain.h"
#include "route/names.h"

enum { LONGEST_LINE = 1024 };

/* What is in one list, files included. */
struct list_items {
    struct names exact; /* in lower case; addresses of ranges by network_key */
    struct texts patterns;
    bool lengths[2][129]; /* of ranges: which prefixes there are, of IPv4 and IPv6 */
};

struct file_state {
    char *path;
    struct timespec changed;
    ino_t inode;
    off_t size;
};

enum { BLOCK, ALLOW, WAYS };

struct lists {
    struct list_items clients[WAYS], helo[WAYS], senders[WAYS];
    struct file_state *files;
    size_t file_count;
};

/* ---- items ---- */

/* A range as a name that equal ranges share. */
static void network_key(const struct network *network, struct buffer *key)
{
    buffer_format(key, "%c%u/", network->family == AF_INET ? '4' : '6', network->bits);
    for (size_t i = 0; i < (network->family == AF_INET ? 4u : 16u); i++)
        buffer_format(key, "%02x", network->address[i]);
}

static void add_name(struct names *names, const char *text)
{
    char *lower = memory_copy(text, strlen(text));
    text_lower(lower);
    names_add(names, lower, NULL);
    free(lower);
}

static bool add_network(struct list_items *items, const char *text, const char **why)
{
    struct network network;
    struct buffer key = {0};
    if (!network_parse(text, &network, why))
        return false;
    network_key(&network, &key);
    names_add(&items->exact, buffer_text(&key), NULL);
    items->lengths[network.family != AF_INET][network.bits] = true;
    buffer_free(&key);
    return true;
}

static bool is_domain(const char *text)
{
    return *text && !strchr(text, '*') && !strchr(text, '@');
}

/* "*.a.example", also with something before it: all below a domain. */
static const char *find_below(const char *text, const char *before)
{
    size_t length = strlen(before);
    return text_starts(text, before) && text_starts(text + length, "*.") &&
                   is_domain(text + length + 2)
               ? text + length + 2
               : NULL;
}

/* Patterns for a whole domain, or for all below one, become names: "@a.example", "@*.a.example". */
static bool add_sender(struct list_items *items, const char *text, const char **why)
{
    struct buffer item = {0};
    const char *at = text_starts(text, "*@") ? text + 1 : text;
    const char *below = find_below(at, "@");
    char *domain = NULL;
    bool good;
    if (below) {
        good = domain_parse(below, strlen(below), &domain, why);
        buffer_format(&item, "@*.%s", domain ? domain : "");
        free(domain);
    } else {
        good = value_parse_sender(*at == '@' && is_domain(at + 1) ? at : text, &item, why);
    }
    if (good && !below && strchr(buffer_text(&item), '*')) {
        struct buffer pattern = {0};
        buffer_format(&pattern, "%s%s", *text == '@' ? "*" : "", text);
        texts_add(&items->patterns, buffer_text(&pattern));
        buffer_free(&pattern);
    } else if (good) {
        add_name(&items->exact, buffer_text(&item));
    }
    buffer_free(&item);
    return good;
}

/* "*.a.example" is a name here, likewise. */
static bool add_helo(struct list_items *items, const char *text, const char **why)
{
    struct buffer item = {0};
    bool good = filtering_parse_helo(text, &item, why);
    if (good && strchr(text, '*') && !find_below(text, ""))
        texts_add(&items->patterns, text);
    else if (good)
        add_name(&items->exact, buffer_text(&item));
    buffer_free(&item);
    return good;
}

typedef bool add_item(struct list_items *items, const char *text, const char **why);

/* ---- files ---- */

static void note_state(struct file_state *file, const struct stat *info)
{
    file->changed = info->st_mtim;
    file->inode = info->st_ino;
    file->size = info->st_size;
}

static void note_file(struct lists *lists, const char *path, const struct stat *info)
{
    lists->files = memory_resize(lists->files, (lists->file_count + 1) * sizeof *lists->files);
    struct file_state *file = &lists->files[lists->file_count++];
    *file = (struct file_state){.path = memory_copy(path, strlen(path))};
    note_state(file, info);
}

/* An item a line; '#' begins a comment. */
static struct outcome read_lines(struct list_items *items, int fd, const char *path, add_item *add)
{
    struct input input = {.fd = fd};
    struct buffer line = {.limit = LONGEST_LINE};
    struct outcome outcome = outcome_done();
    const char *why = "the line is too long";
    for (unsigned number = 1; outcome_good(&outcome); number++) {
        buffer_clear(&line);
        if (!input_line(&input, &line))
            break;
        char *text = line.failed ? NULL : line.data;
        if (text) {
            text[strcspn(text, "#\r\n")] = '\0';
            text = text_trim(text);
        }
        if (!text || (*text && !add(items, text, &why)))
            outcome = outcome_refuse(EX_CONFIG, "%s:%u: %s", path, number, why);
    }
    if (outcome_good(&outcome) && input.error)
        outcome = outcome_errno(input.error, "cannot read the list %s", path);
    input_free(&input);
    buffer_free(&line);
    return outcome;
}

static struct outcome read_file(struct lists *lists, struct list_items *items, const char *path,
                                add_item *add)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct outcome outcome;
    if (fd < 0 || fstat(fd, &info) < 0) {
        outcome = outcome_refuse(EX_CONFIG, "cannot read the list %s: %s", path, strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        outcome = outcome_refuse(EX_CONFIG, "the list %s is no file", path);
    } else {
        note_file(lists, path, &info);
        outcome = read_lines(items, fd, path, add);
    }
    file_close(&fd);
    return outcome;
}

static struct outcome load(struct lists *lists, struct list_items *items, const struct texts *said,
                           add_item *add)
{
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < said->count && outcome_good(&outcome); i++) {
        const char *path = filtering_file(said->items[i]), *why;
        if (path)
            outcome = read_file(lists, items, path, add);
        else if (!add(items, said->items[i], &why))
            outcome = outcome_refuse(EX_CONFIG, "%s: %s", said->items[i], why);
    }
    return outcome;
}

struct outcome lists_load(const struct filtering *filter, struct lists **lists)
{
    struct lists *made = memory_get(sizeof *made);
    const struct {
        struct list_items *items;
        const struct texts *said;
        add_item *add;
    } all[] = {
        {&made->clients[BLOCK], &filter->block_clients, add_network},
        {&made->clients[ALLOW], &filter->allow_clients, add_network},
        {&made->helo[BLOCK], &filter->block_helo, add_helo},
        {&made->helo[ALLOW], &filter->allow_helo, add_helo},
        {&made->senders[BLOCK], &filter->block_senders, add_sender},
        {&made->senders[ALLOW], &filter->allow_senders, add_sender},
    };
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < sizeof all / sizeof all[0] && outcome_good(&outcome); i++)
        outcome = load(made, all[i].items, all[i].said, all[i].add);
    *lists = outcome_good(&outcome) ? made : NULL;
    if (!*lists)
        lists_free(made);
    return outcome;
}

bool lists_have_changed(struct lists *lists)
{
    bool changed = false;
    for (size_t i = 0; i < lists->file_count; i++) {
        struct file_state *file = &lists->files[i];
        struct stat info;
        if (stat(file->path, &info) < 0)
            info = (struct stat){0};
        if (info.st_ino == file->inode && info.st_size == file->size &&
            info.st_mtim.tv_sec == file->changed.tv_sec &&
            info.st_mtim.tv_nsec == file->changed.tv_nsec)
            continue;
        note_state(file, &info);
        changed = true;
    }
    return changed;
}

void lists_look_at_files(const struct lists *lists)
{
    for (size_t i = 0; i < lists->file_count; i++)
        if (access(lists->files[i].path, R_OK) < 0)
            log_error("changes of the list %s will not be seen: %s", lists->files[i].path,
                      strerror(errno));
}

static void free_items(struct list_items *items)
{
    names_free(&items->exact);
    texts_free(&items->patterns);
}

void lists_free(struct lists *lists)
{
    if (!lists)
        return;
    for (size_t way = 0; way < WAYS; way++) {
        free_items(&lists->clients[way]);
        free_items(&lists->helo[way]);
        free_items(&lists->senders[way]);
    }
    for (size_t i = 0; i < lists->file_count; i++)
        free(lists->files[i].path);
    free(lists->files);
    free(lists);
}

/* ---- questions ---- */

static void cut_bits(struct network *network, unsigned bits)
{
    network->bits = bits;
    for (unsigned bit = bits; bit < 128; bit++)
        network->address[bit / 8] &= (unsigned char)~(0x80u >> bit % 8);
}

/* The narrowest range first. */
static const char *find_client(const struct list_items *items, const struct sockaddr *address)
{
    struct network network;
    const char *found = NULL;
    if (!network_of(address, &network))
        return NULL;
    for (unsigned bits = network.bits + 1; bits-- > 0 && !found;) {
        struct buffer key = {0};
        size_t place;
        if (!items->lengths[network.family != AF_INET][bits])
            continue;
        cut_bits(&network, bits);
        network_key(&network, &key);
        if (names_find(&items->exact, buffer_text(&key), &place))
            found = items->exact.items[place];
        buffer_free(&key);
    }
    return found;
}

static const char *find_exact(const struct list_items *items, const char *text)
{
    size_t place;
    char *lower = memory_copy(text, strlen(text));
    text_lower(lower);
    bool found = names_find(&items->exact, lower, &place);
    free(lower);
    return found ? items->exact.items[place] : NULL;
}

static const char *find_pattern(const struct list_items *items, const char *text)
{
    for (size_t i = 0; i < items->patterns.count; i++)
        if (text_match(items->patterns.items[i], text))
            return items->patterns.items[i];
    return NULL;
}

/* Whether all below one of the domains that this one is in is there: prefix is "@*" or "*". */
static const char *find_above(const struct list_items *items, const char *prefix,
                              const char *domain)
{
    const char *found = NULL;
    for (const char *dot = strchr(domain, '.'); dot && !found; dot = strchr(dot + 1, '.')) {
        struct buffer name = {0};
        buffer_format(&name, "%s%s", prefix, dot);
        found = find_exact(items, buffer_text(&name));
        buffer_free(&name);
    }
    return found;
}

static const char *find_helo(const struct list_items *items, const char *name)
{
    const char *found = find_exact(items, name);
    if (!found)
        found = find_above(items, "*", name);
    return found ? found : find_pattern(items, name);
}

/* As it stands, then its domain. */
static const char *find_sender(const struct list_items *items, const char *address)
{
    const char *at = strrchr(address, '@'), *found = find_exact(items, address);
    if (!found && at)
        found = find_exact(items, at);
    if (!found && at)
        found = find_above(items, "@*", at + 1);
    return found ? found : find_pattern(items, address);
}

static enum listed decide(const char *allowed, const char *blocked, const char **item)
{
    *item = allowed ? allowed : blocked;
    return allowed ? LIST_ALLOWS : blocked ? LIST_BLOCKS : UNLISTED;
}

enum listed lists_client(const struct lists *lists, const struct sockaddr *address)
{
    const char *item;
    return decide(find_client(&lists->clients[ALLOW], address),
                  find_client(&lists->clients[BLOCK], address), &item);
}

enum listed lists_helo(const struct lists *lists, const char *name, const char **item)
{
    return decide(find_helo(&lists->helo[ALLOW], name), find_helo(&lists->helo[BLOCK], name), item);
}

enum listed lists_sender(const struct lists *lists, const char *address, const char **item)
{
    *item = NULL;
    if (!*address)
        return UNLISTED;
    return decide(find_sender(&lists->senders[ALLOW], address),
                  find_sender(&lists->senders[BLOCK], address), item);
}

/*
 * Settings of other mail programs: whatever stands in their files, what is taken over are settings
 * that our reader takes, each line has one note, and no note has a secret. An input is the name of
 * a program, and files, each after a line "@@ PATH".
 */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "config/keys.h"
#include "config/settings.h"
#include "fuzz.h"
#include "setup/import.h"

/* No others are written. */
static const char *const paths[] = {
    "/etc/msmtprc",
    "/home/.msmtprc",
    "/home/secret",
    "/etc/ssmtp/ssmtp.conf",
    "/etc/ssmtp/revaliases",
    "/etc/dma/dma.conf",
    "/etc/dma/auth.conf",
    "/etc/nullmailer/remotes",
    "/etc/nullmailer/me",
    "/etc/nullmailer/adminaddr",
    "/etc/nullmailer/allmailfrom",
    "/etc/nullmailer/defaultdomain",
    "/etc/nullmailer/pausetime",
    "/etc/nullmailer/maxpause",
    "/etc/nullmailer/queuelifetime",
    "/etc/postfix/main.cf",
    "/etc/postfix/master.cf",
    "/etc/postfix/sasl_passwd",
    "/etc/postfix/virtual",
    "/etc/postfix/transport",
    "/etc/postfix/generic",
    "/etc/postfix/relay",
    "/etc/exim4/update-exim4.conf.conf",
    "/etc/exim4/exim4.conf.localmacros",
    "/etc/exim4/passwd.client",
    "/etc/exim4/exim4.conf",
    "/etc/email-addresses",
    "/etc/exim4/hubbed_hosts",
    "/etc/mailname",
    "/etc/aliases",
};
enum { PATHS = sizeof paths / sizeof paths[0], SECRET_SHORTEST = 4 };

static char root[64];

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static void remove_root(void)
{
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_root(void)
{
    static const char *const folders[] = {"",           "/etc",        "/etc/ssmtp",
                                          "/etc/dma",   "/home",       "/etc/nullmailer",
                                          "/etc/exim4", "/etc/postfix"};
    const char *space = getenv("TMPDIR");
    snprintf(root, sizeof root, "%.40s/import-XXXXXX", space && *space ? space : "/tmp");
    must(mkdtemp(root));
    atexit(remove_root);
    for (size_t i = 1; i < sizeof folders / sizeof folders[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", root, folders[i]);
        must(mkdir(path, 0700) == 0);
    }
}

/* Writes the file of a path, or takes it away. */
static void put_file(size_t index, const char *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s%s", root, paths[index]);
    if (!data) {
        unlink(path);
        return;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && file_write(fd, data, size));
    file_close(&fd);
}

/* ---- promises ---- */

static bool is_idle(const char *line, size_t length)
{
    size_t at = 0;
    while (at < length && line[at] && strchr(" \t\r\v\f", line[at]))
        at++;
    return at == length || line[at] == '#';
}

/* Every line that means anything has one note, if the file was read line by line at all. */
static void check_lines(const struct import *import, const char *path, const char *data,
                        size_t size)
{
    bool any = false;
    for (size_t i = 0; i < import->note_count && !any; i++)
        any = import->notes[i].line && strcmp(import->notes[i].file, path) == 0;
    unsigned number = 0;
    for (size_t at = 0; at < size && any;) {
        const char *end = memchr(data + at, '\n', size - at);
        size_t length = end ? (size_t)(end - data) - at : size - at, told = 0;
        number++;
        for (size_t i = 0; i < import->note_count; i++)
            told += strcmp(import->notes[i].file, path) == 0 && import->notes[i].line &&
                    import->notes[i].line <= number && number <= import->notes[i].last;
        must(told == 1 || (told == 0 && is_idle(data + at, length)));
        at += length + 1;
    }
}

static void check_notes(const struct import *import)
{
    for (size_t i = 0; i < import->note_count; i++) {
        struct buffer whole = {0};
        must(import->notes[i].words.length && import->notes[i].last >= import->notes[i].line);
        import_format_note(&import->notes[i], &whole);
        must_be_clean(buffer_text(&whole));
        for (size_t k = 0; k < import->credentials.count; k++) {
            const char *secret = import->credentials.items[k].value;
            must(strlen(secret) < SECRET_SHORTEST || !strstr(import->notes[i].text, secret));
        }
        buffer_free(&whole);
    }
}

/* A section, or a key with its value; the items of a list in lines of their own. */
static void put_value(struct buffer *text, const struct import_value *value, bool begins)
{
    const struct key *key = keys_find(value->section, value->key);
    struct texts items = {0};
    must(key);
    if (begins)
        buffer_format(text, *value->name ? "[%s \"%s\"]\n" : "[%s]\n", value->section, value->name);
    if (key->list)
        texts_split(&items, value->value);
    buffer_format(text, "%s = %s\n", value->key, items.count ? items.items[0] : value->value);
    for (size_t i = 1; i < items.count; i++)
        buffer_format(text, "    %s\n", items.items[i]);
    texts_free(&items);
}

static void check_settings(const struct import *import)
{
    struct buffer text = {0};
    struct settings settings;
    for (size_t i = 0; i < import->settings.count; i++) {
        const struct import_value *value = &import->settings.items[i], *last = value - 1;
        put_value(&text, value,
                  i == 0 || strcmp(value->section, last->section) != 0 ||
                      strcmp(value->name, last->name) != 0);
    }
    int fd = fuzz_file(buffer_text(&text), text.length);
    struct outcome outcome = settings_read(fd, "/etc/postrider/postrider.conf", &settings);
    if (!outcome_good(&outcome))
        fprintf(stderr, "%s\n%s\n", outcome.reason, buffer_text(&text));
    must(outcome_good(&outcome));
    for (size_t i = 0; i < import->credentials.count; i++)
        must(settings_smarthost(&settings, import->credentials.items[i].name));
    settings_free(&settings);
    file_close(&fd);
    buffer_free(&text);
}

/* ---- the input ---- */

struct part {
    const char *data;
    size_t size;
};

/* Cuts the input into files; the text before the first is the program's name. */
static void cut(char *text, size_t size, struct part parts[PATHS])
{
    char *at = text;
    size_t current = PATHS;
    for (char *end = text + size; at < end;) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        char *next = newline ? newline + 1 : end;
        if (next - at > 3 && memcmp(at, "@@ ", 3) == 0) {
            if (current < PATHS)
                parts[current].size = (size_t)(at - parts[current].data);
            size_t length = (size_t)((newline ? newline : end) - at) - 3;
            for (current = 0; current < PATHS; current++)
                if (strlen(paths[current]) == length && memcmp(paths[current], at + 3, length) == 0)
                    break;
            if (current < PATHS)
                parts[current] = (struct part){next, (size_t)(end - next)};
        }
        at = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!*root)
        make_root();
    char *text = fuzz_text(data, size);
    struct part parts[PATHS] = {{NULL, 0}};
    cut(text, size, parts);
    for (size_t i = 0; i < PATHS; i++)
        put_file(i, parts[i].data, parts[i].size);
    char program[16] = "";
    for (size_t i = 0; i < sizeof program - 1 && i < size && text[i] != '\n'; i++)
        program[i] = text[i];
    struct import import;
    struct outcome outcome = import_read(program, root, "/home", &import);
    must(outcome_good(&outcome) || outcome.exit_status == EX_USAGE ||
         outcome.exit_status == EX_NOINPUT || outcome.exit_status == EX_DATAERR);
    must_be_clean(outcome.reason);
    check_notes(&import);
    check_settings(&import);
    for (size_t i = 0; i < PATHS; i++)
        if (parts[i].data)
            check_lines(&import, paths[i], parts[i].data, parts[i].size);
    import_free(&import);
    free(text);
    return 0;
}

/*
 * Where a password comes from (see credentials.h), and that nothing of it stays behind: buffers are
 * made large enough at once, so that none is ever moved, and wiped. No words made here ever hold a
 * byte of what was read, for a line that does not parse may well be a password.
 */
#include "config/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/process.h"
#include "config/command.h"
#include "config/reader.h"
#include "config/secret.h"
#include "config/smarthost.h"

enum { SECRET_LONGEST = 8192, COMMAND_LIMIT_MS = 30 * 1000 };

/* The reading of credentials.conf for one smarthost. */
struct search {
    const struct smarthost *smarthost;
    struct texts names;          /* of the sections seen */
    bool here;                   /* in the section that is wanted */
    bool has_password, has_file; /* in the section we are in */
    struct buffer *secret;
    char *password_file; /* as written */
    bool found;
};

/* Makes the buffer so large that what comes is never moved. */
static void reserve(struct buffer *buffer)
{
    static const char zeros[SECRET_LONGEST + 2];
    buffer_wipe(buffer);
    buffer->limit = 0;
    buffer_append(buffer, zeros, sizeof zeros);
    buffer_clear(buffer);
    buffer->limit = SECRET_LONGEST + 2; /* a line end may come with it */
}

/* Mail can wait until somebody has mended the file. */
static struct outcome as_later(struct outcome outcome)
{
    outcome.result = LATER;
    snprintf(outcome.status, sizeof outcome.status, "%s", "4.3.5");
    return outcome;
}

/* Cuts the line end off; what stays must be one line that is a secret. */
static struct outcome check_secret(struct buffer *secret, const char *source)
{
    if (secret->length && secret->data[secret->length - 1] == '\n')
        secret->length--;
    if (secret->length && secret->data[secret->length - 1] == '\r')
        secret->length--;
    if (secret->failed || secret->length > SECRET_LONGEST)
        return outcome_later("4.3.5", "%s gives a password of over %d bytes", source,
                             SECRET_LONGEST);
    if (secret->length == 0)
        return outcome_later("4.3.5", "%s gives an empty password", source);
    secret->data[secret->length] = '\0';
    if (memchr(secret->data, '\n', secret->length) || memchr(secret->data, '\r', secret->length))
        return outcome_later("4.3.5", "%s gives more than one line", source);
    if (memchr(secret->data, '\0', secret->length))
        return outcome_later("4.3.5", "%s gives a NUL byte", source);
    return outcome_done();
}

/* The first line of a file. */
static struct outcome read_password_file(const char *path, struct buffer *secret)
{
    int fd;
    struct outcome outcome = secret_open(path, &fd);
    if (!outcome_good(&outcome))
        return outcome;
    struct input input = {.fd = fd};
    bool any = input_line(&input, secret);
    if (input.error)
        outcome = outcome_errno(input.error, "cannot read %s", path);
    else if (!any)
        outcome = outcome_later("4.3.5", "%s is empty", path);
    memory_wipe(input.data, input.data ? FILE_BLOCK : 0);
    input_free(&input);
    file_close(&fd);
    return outcome_good(&outcome) ? check_secret(secret, path) : outcome;
}

static struct outcome run_command(const char *command, struct buffer *secret)
{
    struct texts words = {0};
    const char *why;
    if (!command_split(command, &words, &why))
        return outcome_later("4.3.5", "password_command: %s", why);
    char **argv = memory_get((words.count + 1) * sizeof *argv);
    memcpy(argv, words.items, words.count * sizeof *argv);
    struct outcome outcome = process_capture(argv, secret, COMMAND_LIMIT_MS);
    if (outcome_good(&outcome))
        outcome = check_secret(secret, "password_command");
    free(argv);
    texts_free(&words);
    return outcome;
}

static struct outcome take_section(void *context, const struct entry *entry)
{
    struct search *search = context;
    if (!text_equal(entry->section, "smarthost"))
        return reader_fault(entry, "unknown section: [smarthost] or [smarthost \"name\"] is "
                                   "wanted");
    for (size_t i = 0; i < search->names.count; i++)
        if (strcmp(search->names.items[i], entry->name) == 0)
            return reader_fault(entry, "the section stands here a second time");
    texts_add(&search->names, entry->name);
    search->here = strcmp(entry->name, search->smarthost->name) == 0;
    search->has_password = search->has_file = false;
    return outcome_done();
}

/* What a line must be like, whatever it says. */
static struct outcome check_value(struct search *search, const struct entry *entry, bool is_file)
{
    if (entry->continued)
        return reader_fault(entry, "an indented line goes on with the one above, and a password "
                                   "has one line: begin it without white space");
    if (!is_file && !text_equal(entry->key, "password"))
        return reader_fault(entry, "unknown key: password or password_file is wanted");
    if (entry->commented)
        return reader_fault(entry, "white space and a ';' would end the value: put it into a file "
                                   "of its own and name that with password_file");
    if (is_file ? search->has_file : search->has_password)
        return reader_fault(entry, "%s is given a second time in this section",
                            is_file ? "password_file" : "password");
    if (is_file ? search->has_password : search->has_file)
        return reader_fault(entry, "password and password_file in one section: which?");
    if (!*entry->value)
        return reader_fault(entry, "%s is empty", is_file ? "password_file" : "password");
    return outcome_done();
}

static struct outcome take_value(void *context, const struct entry *entry)
{
    struct search *search = context;
    bool is_file = text_equal(entry->key, "password_file");
    struct outcome outcome = check_value(search, entry, is_file);
    if (!outcome_good(&outcome))
        return outcome;
    *(is_file ? &search->has_file : &search->has_password) = true;
    if (!search->here)
        return outcome;
    search->found = true;
    if (is_file)
        search->password_file = memory_copy(entry->value, strlen(entry->value));
    else
        buffer_append_text(search->secret, entry->value);
    return outcome;
}

/* Reads all of credentials.conf, so that a mistake anywhere in it is found at once. */
static struct outcome search_file(struct search *search, const char *path)
{
    int fd;
    struct outcome outcome = secret_open(path, &fd);
    if (!outcome_good(&outcome))
        return outcome;
    struct reader reader = {
        .section = take_section,
        .value = take_value,
        .context = search,
        .too_long = ": put a long password into a file of its own and name that with "
                    "password_file",
    };
    outcome = reader_read(&reader, fd, path);
    file_close(&fd);
    return outcome_good(&outcome) ? outcome : as_later(outcome);
}

/* A relative path counts from the folder of credentials.conf. */
static char *name_file(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    struct buffer whole = {0};
    if (*name != '/' && slash)
        buffer_append(&whole, path, (size_t)(slash - path) + 1);
    buffer_append_text(&whole, name);
    return buffer_take(&whole);
}

static struct outcome read_named_file(const char *path, const char *name, struct buffer *secret)
{
    char *whole = name_file(path, name);
    struct outcome outcome = read_password_file(whole, secret);
    free(whole);
    return outcome;
}

static struct outcome find_in_file(const struct smarthost *smarthost, const char *path,
                                   struct buffer *secret)
{
    struct search search = {.smarthost = smarthost, .secret = secret};
    struct outcome outcome = search_file(&search, path);
    if (outcome_good(&outcome) && search.password_file)
        outcome = read_named_file(path, search.password_file, secret);
    if (outcome_good(&outcome) && !search.found) {
        char *heading = smarthost_heading(smarthost);
        outcome = outcome_later("4.3.5", "%s has no password in section %s", path, heading);
        outcome.exit_status = EX_CONFIG;
        free(heading);
    }
    free(search.password_file);
    texts_free(&search.names);
    return outcome;
}

struct outcome credentials_find(const struct smarthost *smarthost, const char *path,
                                struct buffer *secret)
{
    size_t limit = secret->limit;
    memory_wipe_freed(); /* inih has each line in memory of its own */
    reserve(secret);
    struct outcome outcome = *smarthost->password_command
                                 ? run_command(smarthost->password_command, secret)
                                 : find_in_file(smarthost, path, secret);
    if (!outcome_good(&outcome))
        buffer_wipe(secret);
    secret->limit = limit;
    return outcome;
}

char *credentials_file(const struct smarthost *smarthost, const char *path)
{
    struct buffer secret = {0};
    struct search search = {.smarthost = smarthost, .secret = &secret};
    memory_wipe_freed();
    reserve(&secret);
    const struct outcome outcome = search_file(&search, path);
    const bool named = outcome_good(&outcome) && search.password_file;
    char *file = named ? name_file(path, search.password_file) : memory_copy(path, strlen(path));
    buffer_wipe(&secret);
    free(search.password_file);
    texts_free(&search.names);
    return file;
}

/* See password.h. What a sign-in takes is said in config/credentials.c. */
#include "setup/password.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/memory.h"
#include "base/text.h"
#include "setup/save.h"

static const char section[] = "smarthost";
/* Of files of ours: the old one and the new one. */
static const char *const ends[] = {".password", "_2.password"};

struct outcome password_check(const struct buffer *password)
{
    const char *data = buffer_text(password);
    if (password->failed || password->length > PASSWORD_LONGEST)
        return outcome_refuse(EX_DATAERR, "the password has more than %d bytes", PASSWORD_LONGEST);
    if (!password->length)
        return outcome_refuse(EX_DATAERR, "the password is empty");
    if (memchr(data, '\0', password->length) || memchr(data, '\n', password->length))
        return outcome_refuse(EX_DATAERR, "the password has more than one line, or a NUL byte");
    if (data[password->length - 1] == '\r')
        return outcome_refuse(EX_DATAERR, "a carriage return at its end cannot be a part of a "
                                          "password");
    return outcome_done();
}

struct outcome password_check_file(const struct edit *credentials)
{
    for (size_t i = 0; i < credentials->count; i++) {
        const struct edit_entry *entry = &credentials->entries[i];
        const char *fault = NULL;
        if (!text_equal(entry->section, section))
            fault = "unknown section: [smarthost] or [smarthost \"name\"] is wanted";
        else if (entry->key && !text_equal(entry->key, "password") &&
                 !text_equal(entry->key, "password_file"))
            fault = "unknown key: password or password_file is wanted";
        if (fault)
            return outcome_refuse(EX_CONFIG, "%s:%u: %s", credentials->path, entry->lines[0],
                                  fault);
    }
    return outcome_done();
}

/* A relative path counts from the folder of credentials.conf. */
static char *beside(const struct edit *credentials, const char *name)
{
    const char *slash = strrchr(credentials->path, '/');
    struct buffer path = {0};
    if (*name != '/' && slash)
        buffer_append(&path, credentials->path, (size_t)(slash - credentials->path) + 1);
    buffer_append_text(&path, name);
    return buffer_take(&path);
}

bool password_is_there(const struct edit *credentials, const char *name)
{
    return edit_find(credentials, section, name, "password") ||
           edit_find(credentials, section, name, "password_file");
}

static bool read_first_line(const char *path, struct buffer *password)
{
    struct save_file file;
    struct outcome outcome = save_load(path, SAVE_OPEN, false, &file);
    const char *data = buffer_text(&file.content);
    size_t length = strcspn(data, "\n");
    if (length && data[length - 1] == '\r')
        length--;
    buffer_append(password, data, length);
    save_free(&file);
    return outcome_good(&outcome) && length;
}

bool password_find(const struct edit *credentials, const char *name, struct buffer *password)
{
    const char *value = edit_find(credentials, section, name, "password");
    const char *file = edit_find(credentials, section, name, "password_file");
    if (value)
        buffer_append_text(password, value);
    if (value || !file)
        return value != NULL;
    char *path = beside(credentials, file);
    bool good = read_first_line(path, password);
    free(path);
    return good;
}

/* ---- putting ---- */

/* The name of a file of ours: other bytes than letters and digits as two digits each, so that no
 * two names of sections make one. */
static char *make_name(const char *name, const char *end)
{
    struct buffer file = {0};
    buffer_append_text(&file, "smarthost");
    if (*name)
        buffer_append_byte(&file, '-');
    for (; *name; name++)
        if (isalnum((unsigned char)*name) || *name == '-' || *name == '.')
            buffer_append_byte(&file, *name);
        else
            buffer_format(&file, "_%02x", (unsigned)(unsigned char)*name);
    buffer_append_text(&file, end);
    return buffer_take(&file);
}

char *password_bridge(const struct edit *credentials, const char *name)
{
    char *file = make_name(name, "");
    struct buffer hidden = {0};
    buffer_format(&hidden, "%s%s", SAVE_PREFIX, file);
    char *path = beside(credentials, buffer_text(&hidden));
    buffer_free(&hidden);
    free(file);
    return path;
}

/* A file that the old section names is left alone until the new one counts. */
static struct outcome put_into_file(struct edit *credentials, const char *name, const char *old,
                                    struct password_files *files)
{
    char *file = make_name(name, ends[0]);
    if (old && strcmp(old, file) == 0) {
        free(file);
        file = make_name(name, ends[1]);
    }
    files->wanted = beside(credentials, file);
    struct outcome outcome = edit_remove(credentials, section, name, "password");
    if (outcome_good(&outcome))
        outcome = edit_set(credentials, section, name, "password_file", file);
    free(file);
    return outcome;
}

static bool is_ours(const char *name, const char *file)
{
    char *first = make_name(name, ends[0]), *second = make_name(name, ends[1]);
    bool ours = strcmp(file, first) == 0 || strcmp(file, second) == 0;
    free(first);
    free(second);
    return ours;
}

/* Without a comment that may have been behind the old one: a password has none. */
static struct outcome put_into_line(struct edit *credentials, const char *name,
                                    const char *password)
{
    struct outcome outcome = edit_remove(credentials, section, name, "password");
    if (outcome_good(&outcome))
        outcome = edit_set(credentials, section, name, "password", password);
    return outcome_good(&outcome) ? edit_remove(credentials, section, name, "password_file")
                                  : outcome;
}

struct outcome password_drop(struct edit *credentials, const char *name,
                             struct password_files *files)
{
    const char *file = edit_find(credentials, section, name, "password_file");
    if (file && is_ours(name, file))
        files->useless = beside(credentials, file);
    struct outcome outcome = edit_remove(credentials, section, name, "password");
    return outcome_good(&outcome) ? edit_remove(credentials, section, name, "password_file")
                                  : outcome;
}

struct outcome password_put(struct edit *credentials, const char *name,
                            const struct buffer *password, struct password_files *files)
{
    struct outcome outcome = password_check(password);
    if (!outcome_good(&outcome))
        return outcome;
    const char *value = edit_find(credentials, section, name, "password_file");
    char *old = value ? memory_copy(value, strlen(value)) : NULL;
    outcome = put_into_line(credentials, name, buffer_text(password));
    if (outcome.exit_status == EX_DATAERR)
        outcome = put_into_file(credentials, name, old, files);
    if (outcome_good(&outcome) && old && is_ours(name, old))
        files->useless = beside(credentials, old);
    free(old);
    return outcome;
}

void password_free_files(struct password_files *files)
{
    free(files->wanted);
    free(files->useless);
    *files = (struct password_files){0};
}

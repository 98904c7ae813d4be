/* See import_file.h. Files may hold passwords: what was read is overwritten. */
#include "setup/import_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/identity.h"
#include "config/paths.h"
#include "mail/domain.h"

enum { FILE_LONGEST = 512 * 1024 };

/* What was wrong, for a note or for the end of the import. */
static bool fail(struct importing *importing, const char *path, enum source_need need, int error,
                 const char *why)
{
    if (need == SOURCE_MAYBE && error == ENOENT)
        return false;
    if (need != SOURCE_MAIN) {
        note_file(importing->import, path, IMPORT_LEFT, "not taken over: %s",
                  error ? strerror(error) : why);
    } else if (error != ENOENT && outcome_good(&importing->outcome)) {
        importing->outcome = error ? outcome_errno(error, "cannot read %s", path)
                                   : outcome_refuse(EX_DATAERR, "%s: %s", path, why);
        importing->outcome.exit_status = error == EACCES || error == EPERM ? EX_NOPERM : EX_DATAERR;
    }
    return false;
}

/*
 * In the copy of another machine links and ".." lead as they did there, and never out of it: who
 * made the copy may not be who reads it now, and what a file holds may become a password that a
 * host is told.
 */
static int open_below(const struct importing *importing, const char *path)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    if (!*importing->root)
        return open(path, flags);
    struct open_how how = {.flags = (unsigned)flags, .resolve = RESOLVE_IN_ROOT};
    int root = open(importing->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = root < 0 ? -1 : (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    file_close(&root);
    return fd;
}

bool source_is_there(const struct importing *importing, const char *path)
{
    int fd = open_below(importing, path);
    bool there = fd >= 0 || (errno != ENOENT && errno != ENOTDIR);
    file_close(&fd);
    return there;
}

static bool load(int fd, struct source *source, const char **why, int *error)
{
    struct stat status;
    *error = 0;
    *why = "it is no file";
    if (fstat(fd, &status) < 0) {
        *error = errno;
        return false;
    }
    if (!S_ISREG(status.st_mode))
        return false;
    *why = "it is larger than 512 KB";
    if (status.st_size > FILE_LONGEST)
        return false;
    source->size = (size_t)status.st_size + 1;
    source->data = memory_get(source->size);
    ssize_t length = file_read(fd, source->data, source->size - 1);
    if (length < 0) {
        *error = errno;
        return false;
    }
    source->length = (size_t)length;
    return true;
}

bool source_open(struct importing *importing, const char *path, enum source_need need,
                 struct source *source)
{
    *source = (struct source){.path = memory_copy(path, strlen(path))};
    struct buffer whole = {0};
    buffer_format(&whole, "%s%s", *path == '/' ? "" : "/", path);
    int fd = open_below(importing, buffer_text(&whole));
    int error = errno;
    buffer_free(&whole);
    if (fd < 0)
        return fail(importing, path, need, error == ENOTDIR ? ENOENT : error, NULL);
    const char *why;
    bool good = load(fd, source, &why, &error);
    file_close(&fd);
    return good || fail(importing, path, need, error, why);
}

void source_free(struct source *source)
{
    if (source->data)
        memory_wipe(source->data, source->size);
    free(source->data);
    free(source->path);
    *source = (struct source){0};
}

/* The next raw line, with a NUL for its end; NULL behind the last one. */
static char *next_raw(struct source *source, size_t *length)
{
    if (source->at >= source->length)
        return NULL;
    char *line = source->data + source->at;
    char *end = memchr(line, '\n', source->length - source->at);
    *length = end ? (size_t)(end - line) : source->length - source->at;
    source->at += *length + 1;
    source->line++;
    if (*length && line[*length - 1] == '\r')
        --*length;
    line[*length] = '\0';
    return line;
}

/* Only white space, or a comment. */
static bool is_idle(const char *line, size_t length)
{
    size_t at = 0;
    while (at < length && line[at] && strchr(" \t\r\v\f", line[at]))
        at++;
    return at == length || line[at] == '#';
}

/* What the line that comes next is to the one before; nothing is changed. */
static enum {
    ENDS,
    PASSED_OVER,
    GOES_ON
} look_ahead(const struct source *source, enum source_form form, bool escaped)
{
    if (source->at >= source->length)
        return ENDS;
    const char *line = source->data + source->at;
    const char *end = memchr(line, '\n', source->length - source->at);
    size_t length = end ? (size_t)(end - line) : source->length - source->at;
    if (memchr(line, '\0', length))
        return ENDS;
    if (form == SOURCE_BACKSLASH)
        return !escaped ? ENDS : length && is_idle(line, length) ? PASSED_OVER : GOES_ON;
    if (is_idle(line, length))
        return PASSED_OVER;
    return *line == ' ' || *line == '\t' ? GOES_ON : ENDS;
}

static size_t trimmed(char *text)
{
    size_t length = strlen(text);
    while (length && strchr(" \t\r", text[length - 1]))
        text[--length] = '\0';
    return length;
}

/* Puts further lines behind the first, in the room that they took themselves. */
static void join(struct source *source, struct source_line *line, enum source_form form)
{
    size_t used = trimmed(line->text);
    for (;;) {
        bool escaped = form == SOURCE_BACKSLASH && used && line->text[used - 1] == '\\';
        int next = look_ahead(source, form, escaped);
        if (next == ENDS)
            return;
        size_t length;
        char *more = next_raw(source, &length);
        if (next == PASSED_OVER)
            continue;
        line->last = source->line;
        if (escaped) {
            used--;
            more += strspn(more, " \t");
        }
        length = trimmed(more);
        memmove(line->text + used, more, length + 1);
        used += length;
    }
}

bool source_next(struct importing *importing, struct source *source, enum source_form form,
                 struct source_line *line)
{
    size_t length;
    for (char *text; (text = next_raw(source, &length));) {
        *line = (struct source_line){text, source->line, source->line};
        if (memchr(text, '\0', length)) {
            size_t note = source_note(importing, source, line, "");
            note_say(importing->import, note, IMPORT_LEFT,
                     "not taken over: the line holds a NUL byte");
        } else if (!is_idle(text, length)) {
            if (form != SOURCE_PLAIN)
                join(source, line, form);
            return true;
        }
    }
    return false;
}

size_t source_note(struct importing *importing, const struct source *source,
                   const struct source_line *line, const char *text)
{
    return note_add(importing->import, source->path, line->first, line->last,
                    text ? text : line->text);
}

char *source_word(struct importing *importing, const char *path, enum source_need need,
                  size_t *note)
{
    struct source source;
    struct source_line line;
    char *word = NULL;
    *note = NOTE_NONE;
    if (source_open(importing, path, need, &source) &&
        source_next(importing, &source, SOURCE_PLAIN, &line)) {
        *note = source_note(importing, &source, &line, NULL);
        char *text = text_trim(line.text);
        word = memory_copy(text, strlen(text));
        while (source_next(importing, &source, SOURCE_PLAIN, &line))
            note_say(importing->import, source_note(importing, &source, &line, NULL), IMPORT_SAME,
                     "means nothing: only the first line of this file counts");
    }
    source_free(&source);
    return word;
}

char *source_split(char **text)
{
    char *word = *text + strspn(*text, " \t");
    char *end = word + strcspn(word, " \t");
    *text = end + strspn(end, " \t");
    *end = '\0';
    return word;
}

/* The first line of a small file as a domain; NULL: it is none. */
static char *domain_in(const struct importing *importing, const char *path)
{
    enum { LONGEST = 4096 };
    char content[LONGEST], *domain = NULL;
    const char *why;
    int fd = open_below(importing, path);
    ssize_t length = fd < 0 ? -1 : file_read(fd, content, sizeof content - 1);
    file_close(&fd);
    if (length <= 0)
        return NULL;
    content[length] = '\0';
    content[strcspn(content, "\n")] = '\0';
    const char *name = text_trim(content);
    return domain_parse(name, strlen(name), &domain, &why) ? domain : NULL;
}

char *source_domain(const struct importing *importing)
{
    char *domain = domain_in(importing, POSTRIDER_MAILNAME);
    if (!domain)
        domain = *importing->root ? domain_in(importing, "/etc/hostname") : identity_hostname();
    return domain;
}

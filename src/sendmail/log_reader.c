/* See log_reader.h. */
#include "sendmail/log_reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/process.h"
#include "queue/queue.h"

enum { LINE_LIMIT = 16384, OLD_STAMP = 15 /* "Nov 25 09:40:45" */ };

static const char *const files[] = {NULL /* log_file */, "/var/log/mail.log", "/var/log/syslog"};
static const char journal[] = "/usr/bin/journalctl";

/* ---- a line ---- */

/* Where our words begin, behind "postrider-run[123]: "; NULL: the line is another's. */
static char *find_words(char *line)
{
    static const char program[] = "postrider";
    for (char *at = line; (at = strstr(at, program)) != NULL;) {
        bool begins = at == line || at[-1] == ' ';
        at += strlen(program);
        if (!begins)
            continue;
        char *end = at + strspn(at, "-abcdefghijklmnopqrstuvwxyz");
        if (*end == '[')
            end += 1 + strspn(end + 1, "0123456789");
        end += *end == ']';
        if (end[0] == ':' && end[1] == ' ')
            return end + 2;
    }
    return NULL;
}

/* Cuts a word off; false when it is empty. */
static bool take_word(char **rest, const char **word)
{
    char *begin = *rest;
    size_t length = strcspn(begin, " ");
    *rest = begin + length + (begin[length] == ' ');
    begin[length] = '\0';
    *word = begin;
    return length > 0;
}

static bool parse(char *text, struct log_line *line)
{
    char *words = find_words(text);
    if (!words || !take_word(&words, &line->id) || !queue_is_id(line->id) ||
        !take_word(&words, &line->event))
        return false;
    line->pairs = words;
    bool iso = text[0] >= '0' && text[0] <= '9';
    size_t stamp = iso ? strcspn(text, " ") : OLD_STAMP;
    text[stamp] = '\0';
    line->time = text;
    return true;
}

bool log_next_pair(char **rest, char **key, char **value)
{
    char *at = *rest + strspn(*rest, " ");
    char *equals = strchr(at, '=');
    if (!equals)
        return false;
    *equals = '\0';
    *key = at;
    at = *value = equals + 1;
    if (*at != '"') {
        at += strcspn(at, " ");
    } else {
        char *to = at++;
        while (*at && *at != '"') {
            at += *at == '\\' && at[1];
            *to++ = *at++;
        }
        *to = '\0';
        at += *at == '"';
    }
    *rest = at + (*at == ' ');
    *at = '\0';
    return true;
}

/* ---- sources ---- */

static void read_lines(int fd, void (*take)(void *context, struct log_line *line), void *context)
{
    struct input input = {.fd = fd};
    struct buffer text = {.limit = LINE_LIMIT};
    while (input_line(&input, &text)) {
        struct log_line line;
        if (!text.failed && text.length > OLD_STAMP &&
            memchr(text.data, '\0', text.length) == NULL) {
            if (text.data[text.length - 1] == '\n')
                text.data[--text.length] = '\0';
            if (parse(text.data, &line))
                take(context, &line);
        }
        buffer_clear(&text);
    }
    buffer_free(&text);
    input_free(&input);
}

static bool read_file(const char *path, void (*take)(void *context, struct log_line *line),
                      void *context)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return false;
    read_lines(fd, take, context);
    file_close(&fd);
    return true;
}

static bool read_files(const char *path, void (*take)(void *context, struct log_line *line),
                       void *context)
{
    struct buffer older = {0};
    buffer_format(&older, "%s.1", path);
    bool any = read_file(older.data, take, context);
    buffer_free(&older);
    return read_file(path, take, context) || any;
}

static bool read_journal(void (*take)(void *context, struct log_line *line), void *context)
{
    static char *const argv[] = {(char *)journal,
                                 "--no-pager",
                                 "-q",
                                 "-o",
                                 "short-iso",
                                 "-t",
                                 "postrider",
                                 "-t",
                                 "postrider-run",
                                 "-t",
                                 "postrider-listen",
                                 NULL};
    int ends[2];
    if (access(journal, X_OK) < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || dup2(null, 0) < 0 || dup2(ends[1], 1) < 0 || dup2(null, 2) < 0)
            _exit(1);
        execv(journal, argv);
        _exit(1);
    }
    file_close(&ends[1]);
    if (pid > 0)
        read_lines(ends[0], take, context);
    file_close(&ends[0]);
    return pid > 0 && process_wait(pid) == 0;
}

bool log_read(unsigned source, const char *log_file,
              void (*take)(void *context, struct log_line *line), void *context)
{
    if (source >= sizeof files / sizeof files[0])
        return read_journal(take, context);
    const char *path = source == 0 ? log_file : files[source];
    return path && *path && read_files(path, take, context);
}

/* The log: how a line is made, and where it goes. Nothing here knows what the events mean. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

enum { LINE_LIMIT = 4096 };

static struct {
    const char *program;
    int file;
    bool syslog_open;
} state = {"postrider", -1, false};

void log_open(const char *program)
{
    state.program = program;
}

struct outcome log_to_file(const char *path)
{
    if (!path || !*path) {
        file_close(&state.file);
        return outcome_done();
    }
    /* No link, but for /dev/stderr: who may write in its folder must not have root write elsewhere.
     */
    int links = strncmp(path, "/dev/", strlen("/dev/")) == 0 ? 0 : O_NOFOLLOW;
    int fd =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | links, 0640);
    if (fd < 0)
        return outcome_errno(errno, "cannot open the log file %s", path);
    if (state.file >= 0)
        close(state.file);
    state.file = fd;
    return outcome_done();
}

void log_close(void)
{
    if (state.syslog_open)
        closelog();
    if (state.file >= 0)
        close(state.file);
    state.file = -1;
    state.syslog_open = false;
}

/* The log is told, never asked: a line that cannot be written must not stop mail. */
static void write_line(int priority, const char *line)
{
    if (!state.syslog_open) {
        openlog(state.program, LOG_PID | LOG_NDELAY, LOG_MAIL);
        state.syslog_open = true;
    }
    syslog(priority, "%s", line);
    if (state.file >= 0) {
        struct buffer entry = {0};
        struct tm broken;
        char stamp[32];
        time_t now = clock_now();
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &broken));
        buffer_format(&entry, "%s %s[%ld]: %s\n", stamp, state.program, (long)getpid(), line);
        (void)file_write(state.file, entry.data, entry.length);
        buffer_free(&entry);
    }
}

static void append_value(struct buffer *line, const char *value)
{
    char *clean = memory_copy(value, strlen(value));
    text_tame(clean, strlen(clean));
    bool quote = !*clean || strpbrk(clean, " \"\\");
    if (quote)
        buffer_append_byte(line, '"');
    for (const char *c = clean; *c; c++) {
        if (*c == '"' || *c == '\\')
            buffer_append_byte(line, '\\');
        buffer_append_byte(line, *c);
    }
    if (quote)
        buffer_append_byte(line, '"');
    free(clean);
}

void log_event(const char *id, const char *event, ...)
{
    struct buffer line = {.limit = LINE_LIMIT};
    buffer_format(&line, "%s %s", id, event);
    va_list arguments;
    va_start(arguments, event);
    for (const char *key = va_arg(arguments, const char *); key;
         key = va_arg(arguments, const char *)) {
        const char *value = va_arg(arguments, const char *);
        if (!value)
            continue;
        buffer_format(&line, " %s=", key);
        append_value(&line, value);
    }
    va_end(arguments);
    write_line(LOG_INFO, buffer_text(&line));
    buffer_free(&line);
}

static void write_words(int priority, const char *format, va_list arguments)
{
    char line[1024];
    vsnprintf(line, sizeof line, format, arguments);
    text_tame(line, strlen(line));
    write_line(priority, line);
}

void log_notice(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_words(LOG_NOTICE, format, arguments);
    va_end(arguments);
}

void log_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_words(LOG_ERR, format, arguments);
    va_end(arguments);
}

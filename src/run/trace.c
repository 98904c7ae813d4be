/*
 * Standard output may be a pipe whose reader has stopped: such a reader must not hold other
 * people's mail up, so what cannot be written soon is not written.
 */
#include "run/trace.h"

#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"

enum { PATIENCE_MS = 2000 };

void trace_line(void *context, char direction, const char *line)
{
    static bool given_up;
    (void)context;
    struct pollfd poller = {.fd = 1, .events = POLLOUT};
    if (given_up || poll(&poller, 1, PATIENCE_MS) != 1 || !(poller.revents & POLLOUT)) {
        given_up = true;
        return;
    }
    struct buffer text = {0};
    buffer_format(&text, "%c%c%c %s\n", direction, direction, direction, line);
    if (!file_write(1, text.data, text.length))
        given_up = true;
    buffer_free(&text);
}

void trace_remark(const char *before, const char *behind)
{
    struct buffer text = {0};
    buffer_format(&text, "%s: %s", before, behind);
    trace_line(NULL, '*', buffer_text(&text));
    buffer_free(&text);
}

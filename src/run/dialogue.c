/*
 * Standard output may be a pipe or a terminal that nobody reads: such a reader must not hold other
 * people's mail up, so what cannot be written soon is not written, nor anything after it.
 */
#include "run/dialogue.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buffer.h"

enum { PATIENCE_S = 2 };

static volatile sig_atomic_t is_late;

static void note_late(int number)
{
    (void)number;
    is_late = 1;
}

/* Room for a byte is none for a line, and the file is not ours to make it non-blocking. The timer
 * goes on: a signal that comes right before the write would not end it. */
static bool write_soon(const char *data, size_t length)
{
    const struct sigaction noting = {.sa_handler = note_late};
    const struct itimerval soon = {.it_value.tv_sec = PATIENCE_S, .it_interval.tv_usec = 100000};
    const struct itimerval never = {0};
    struct sigaction before;
    is_late = 0;
    sigaction(SIGALRM, &noting, &before);
    setitimer(ITIMER_REAL, &soon, NULL);
    while (length && !is_late) {
        ssize_t wrote = write(STDOUT_FILENO, data, length);
        if (wrote < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
        else if (wrote < 0 && errno != EINTR)
            break;
        if (wrote > 0) {
            data += wrote;
            length -= (size_t)wrote;
        }
    }
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    return length == 0;
}

void dialogue_line(void *context, char direction, const char *line)
{
    static bool given_up;
    (void)context;
    if (given_up)
        return;
    struct buffer text = {0};
    buffer_format(&text, "%c%c%c %s\n", direction, direction, direction, line);
    given_up = !write_soon(text.data, text.length);
    buffer_free(&text);
}

void dialogue_remark(const char *before, const char *behind)
{
    struct buffer text = {0};
    buffer_format(&text, "%s: %s", before, behind);
    dialogue_line(NULL, '*', buffer_text(&text));
    buffer_free(&text);
}

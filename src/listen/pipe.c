/* See pipe.h. */
#include "listen/pipe.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/process.h"
#include "listen/session.h"

enum { BLOCK = 16384, MOST_RECIPIENTS = 10000, TIMEOUT = 3600 /* seconds */ };

/* Gives bare LFs their CR. */
static void put_lines(const char *data, size_t length, char *last, struct buffer *out)
{
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\n' && *last != '\r')
            buffer_append_byte(out, '\r');
        buffer_append_byte(out, data[i]);
        *last = data[i];
    }
}

/* What is there on standard input, to the session; false: nothing more will come. */
static bool carry_in(int fd, char *last)
{
    char block[BLOCK];
    ssize_t count = read(STDIN_FILENO, block, sizeof block);
    if (count < 0 && errno == EINTR)
        return true;
    if (count <= 0)
        return false;
    struct buffer lines = {0};
    put_lines(block, (size_t)count, last, &lines);
    bool good = file_write(fd, lines.data, lines.length);
    buffer_free(&lines);
    return good;
}

static bool carry_out(int fd)
{
    char block[BLOCK];
    ssize_t count = read(fd, block, sizeof block);
    if (count < 0 && errno == EINTR)
        return true;
    return count > 0 && file_write(STDOUT_FILENO, block, (size_t)count);
}

static void carry(int fd)
{
    char last = '\0';
    struct pollfd ends[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    for (;;) {
        if (poll(ends, 2, -1) < 0 && errno != EINTR)
            return;
        if (ends[1].revents && !carry_out(fd))
            return;
        if (ends[0].revents && !ends[1].revents && !carry_in(fd, &last)) {
            ends[0].fd = -1;
            (void)shutdown(fd, SHUT_WR);
        }
    }
}

struct outcome pipe_serve(const struct service *service, uid_t uid)
{
    /* Nothing of the network's rules is for a user of this machine. */
    static char none[] = "";
    const struct listener listener = {.name = none,
                                      .tls = TLS_OFF,
                                      .tls_client_ca = none,
                                      .users = none,
                                      .max_recipients = MOST_RECIPIENTS,
                                      .timeout = TIMEOUT};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return outcome_errno(errno, "cannot begin a session");
    pid_t pid = fork();
    if (pid == 0) {
        const struct session_start start = {.service = service,
                                            .listener = &listener,
                                            .fd = ends[1],
                                            .watch = -1,
                                            .orders = -1,
                                            .uid = uid};
        file_close(&ends[0]);
        _exit(session_run(&start));
    }
    struct outcome outcome = outcome_done();
    if (pid < 0)
        outcome = outcome_errno(errno, "cannot begin a session");
    file_close(&ends[1]);
    if (pid > 0) {
        carry(ends[0]);
        file_close(&ends[0]);
        (void)process_wait(pid);
    }
    file_close(&ends[0]);
    return outcome;
}

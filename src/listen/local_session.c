/*
 * See local_session.h. Neither direction ever waits for the other: bytes are read when there is
 * room for them, and written when they are taken. Standard input and output may be shared with
 * others, so they stay as they are, in blocking mode: a write to a pipe that has room takes
 * PIPE_BUF bytes.
 */
#include "listen/local_session.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "listen/confine.h"
#include "listen/session.h"
#include "queue/runner.h"

enum {
    BLOCK = 16384,
    MOST_HELD = 1024 * 1024, /* bytes of a direction; replies to whoever reads none for now */
    LAST_WORDS_MS = 10000,   /* for the client to take what is left when the session is over */
    TIMEOUT = 3600           /* seconds */
};

/* What was read and not written yet. */
struct lane {
    struct buffer held;
    size_t written;
    bool ended; /* nothing more will be read */
};

struct carrier {
    const struct service *service;
    const struct queue *queue;
    int fd; /* of the session */
    struct lane in, out;
    enum { ENDS_UNKNOWN, ENDS_LF, ENDS_CRLF } ends; /* of the client's lines */
    char last;
    int64_t moved; /* clock_ms of when the client last took something, or had nothing to take */
    bool is_over;  /* there is no client any more */
};

static size_t lane_rest(const struct lane *lane)
{
    return lane->held.length - lane->written;
}

static bool lane_has_room(const struct lane *lane)
{
    return !lane->ended && lane_rest(lane) < MOST_HELD;
}

/* So much of it has been written; what takes more room than it is worth goes. */
static void lane_skip(struct lane *lane, size_t length)
{
    lane->written += length;
    if (lane->written < MOST_HELD && lane_rest(lane))
        return;
    size_t rest = lane_rest(lane);
    if (rest)
        memmove(lane->held.data, lane->held.data + lane->written, rest);
    lane->held.length = rest;
    lane->written = 0;
}

static void lane_end(struct lane *lane)
{
    lane->ended = true;
    lane->written = 0;
    buffer_clear(&lane->held);
}

/* ---- bytes ---- */

/* Who ends his first line in CR LF is held to that: a bare LF of his is none of his line ends. */
static void put_lines(struct carrier *carrier, const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        bool bare = data[i] == '\n' && carrier->last != '\r';
        if (data[i] == '\n' && carrier->ends == ENDS_UNKNOWN)
            carrier->ends = bare ? ENDS_LF : ENDS_CRLF;
        if (bare && carrier->ends == ENDS_LF)
            buffer_append_byte(&carrier->in.held, '\r');
        buffer_append_byte(&carrier->in.held, data[i]);
        carrier->last = data[i];
    }
}

static bool is_transient(void)
{
    return errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK;
}

static void read_client(struct carrier *carrier)
{
    char block[BLOCK];
    ssize_t count = read(STDIN_FILENO, block, sizeof block);
    if (count > 0)
        put_lines(carrier, block, (size_t)count);
    else if (count == 0 || !is_transient())
        carrier->in.ended = true;
}

static void write_session(struct carrier *carrier)
{
    struct lane *in = &carrier->in;
    ssize_t count =
        send(carrier->fd, in->held.data + in->written, lane_rest(in), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0)
        lane_skip(in, (size_t)count);
    else if (!is_transient())
        lane_end(in); /* it is over: its last words may still come */
}

/* A mark was left before the reply that we have here: what the session took is sent on. */
static void read_session(struct carrier *carrier)
{
    char block[BLOCK];
    ssize_t count = recv(carrier->fd, block, sizeof block, MSG_DONTWAIT);
    if (count > 0)
        buffer_append(&carrier->out.held, block, (size_t)count);
    else if (count == 0 || !is_transient())
        carrier->out.ended = true;
    if (count > 0 && runner_has_mark(carrier->queue))
        runner_wake(carrier->queue, carrier->service->config);
}

static void write_client(struct carrier *carrier)
{
    struct lane *out = &carrier->out;
    size_t length = lane_rest(out) < PIPE_BUF ? lane_rest(out) : PIPE_BUF;
    const char *data = out->held.data + out->written;
    ssize_t count = send(STDOUT_FILENO, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno == ENOTSOCK)
        count = write(STDOUT_FILENO, data, length);
    if (count >= 0) {
        lane_skip(out, (size_t)count);
        carrier->moved = clock_ms();
    } else if (!is_transient()) {
        carrier->is_over = true;
    }
}

/* ---- the loop ---- */

/* Milliseconds that are left to the client, who may let us wait with its replies; -1: any time. */
static int find_wait(const struct carrier *carrier)
{
    if (!lane_rest(&carrier->out))
        return -1;
    int64_t most = carrier->out.ended ? LAST_WORDS_MS : TIMEOUT * 1000;
    int64_t left = carrier->moved + most - clock_ms();
    return left > 0 ? (int)left : 0;
}

static bool carry_some(struct carrier *carrier)
{
    struct lane *in = &carrier->in, *out = &carrier->out;
    if (!lane_rest(out))
        carrier->moved = clock_ms();
    int wait = find_wait(carrier);
    short events = (short)((lane_has_room(out) ? POLLIN : 0) | (lane_rest(in) ? POLLOUT : 0));
    struct pollfd ends[] = {
        {.fd = lane_has_room(in) ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = events ? carrier->fd : -1, .events = events},
        {.fd = STDOUT_FILENO, .events = lane_rest(out) ? POLLOUT : 0},
    };
    if (wait == 0 || (poll(ends, 3, wait) < 0 && errno != EINTR))
        return false;
    if (ends[0].revents)
        read_client(carrier);
    if (ends[1].revents && lane_rest(in))
        write_session(carrier);
    if (ends[1].revents && lane_has_room(out))
        read_session(carrier);
    if (ends[2].revents & POLLOUT)
        write_client(carrier);
    else if (ends[2].revents)
        carrier->is_over = true; /* nobody will read any more */
    return true;
}

static void carry(struct carrier *carrier)
{
    bool told = false;
    while (!carrier->is_over && (!carrier->out.ended || lane_rest(&carrier->out))) {
        if (!told && carrier->in.ended && !lane_rest(&carrier->in)) {
            (void)shutdown(carrier->fd, SHUT_WR);
            told = true;
        }
        if (!carry_some(carrier))
            return;
    }
}

/* ---- the session ---- */

static _Noreturn void become_session(const struct service *service, int fd, uid_t uid)
{
    /* Nothing of the network's rules is for a user of this machine. */
    static char none[] = "";
    const struct listener listener = {.name = none,
                                      .tls = TLS_OFF,
                                      .tls_client_ca = none,
                                      .users = none,
                                      .max_recipients = ENVELOPE_MOST,
                                      .timeout = TIMEOUT};
    const struct passwd *user = getpwuid(uid);
    const struct session_start start = {.service = service,
                                        .listener = &listener,
                                        .fd = fd,
                                        .watch = -1,
                                        .orders = -1,
                                        .uid = uid,
                                        .login = user && *user->pw_name ? user->pw_name : NULL};
    process_forget_standard_files();
    _exit(session_run(&start));
}

static struct outcome judge(int status)
{
    if (status == EX_OK)
        return outcome_done();
    if (status == EX_DATAERR)
        return outcome_refuse(EX_DATAERR,
                              "the dialogue came to no good end; what was answered with "
                              "250 is taken, and nothing else");
    return outcome_refuse(EX_TEMPFAIL, "no mail could be taken: the session ended with status %d",
                          status);
}

/* Who is at the other end of a connection is no user of this machine: whatever starts us for it, as
 * inetd did with other programs of this name, would make an open relay. */
static struct outcome check_client(void)
{
    for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        if (getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
            address.ss_family != AF_UNIX)
            return outcome_refuse(EX_USAGE, "-bs lets its caller send anywhere, so it takes no "
                                            "connections from the network: \"postrider serve\" "
                                            "does, with a [listen] section in the settings");
    }
    return outcome_done();
}

/* The limit is for sessions that begin (local/run.c). Ours, which hears the client, has it still,
 * and can neither lift it nor start anything. */
static void lift_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NPROC, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NPROC, &limit) < 0)
        log_error("cannot lift the limit of processes: %s", strerror(errno));
}

struct outcome local_session_serve(const struct service *service, const struct queue *queue,
                                   uid_t uid)
{
    struct carrier carrier = {.service = service, .queue = queue};
    int ends[2];
    struct outcome outcome = check_client();
    if (outcome_good(&outcome))
        outcome = confine_prepare(&service->settings);
    if (!outcome_good(&outcome))
        return outcome;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return outcome_errno(errno, "cannot begin a session");
    pid_t pid = fork();
    if (pid == 0) {
        file_close(&ends[0]);
        become_session(service, ends[1], uid);
    }
    file_close(&ends[1]);
    if (pid > 0 && !service->config)
        lift_limit();
    carrier.fd = ends[0];
    if (pid < 0)
        outcome = outcome_refuse(EX_TEMPFAIL, "cannot begin a session: %s", strerror(errno));
    else
        carry(&carrier);
    file_close(&carrier.fd);
    if (pid > 0)
        outcome = judge(process_wait(pid));
    /* What came in after its client had stopped reading. */
    if (pid > 0 && runner_has_mark(queue))
        runner_wake(queue, service->config);
    buffer_free(&carrier.in.held);
    buffer_free(&carrier.out.held);
    return outcome;
}

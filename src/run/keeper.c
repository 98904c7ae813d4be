/*
 * Asked by a byte, answered by an outcome, a length and so many bytes: both ends are this program.
 */
#include "run/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "config/credentials.h"

enum { MOST_BYTES = 65536 };

struct answer {
    struct outcome outcome;
    size_t length;
};

static _Noreturn void keep(int fd, const struct smarthost *peer, const char *path)
{
    char question;
    while (file_read(fd, &question, 1) == 1) {
        struct buffer secret = {.limit = MOST_BYTES};
        struct answer answer = {.outcome = credentials_find(peer, path, &secret)};
        answer.length = secret.length;
        bool good = file_write(fd, &answer, sizeof answer) &&
                    file_write(fd, buffer_text(&secret), secret.length);
        buffer_wipe(&secret);
        if (!good)
            break;
    }
    _exit(0);
}

/*
 * Nothing of the worker's stays open here: neither its seat at the next hop nor the queue, nor the
 * standard error of who asked for the run, for what the command says there may be secret.
 */
static _Noreturn void become_keeper(int fd, const struct smarthost *peer, const char *path)
{
    log_close();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDERR_FILENO) < 0 || dup2(fd, STDERR_FILENO + 1) < 0)
        _exit(0);
    process_close_from(STDERR_FILENO + 2);
    keep(STDERR_FILENO + 1, peer, path);
}

struct outcome keeper_start(struct keeper *keeper, const struct smarthost *peer, const char *path)
{
    int ends[2];
    keeper->fd = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return outcome_errno(errno, "cannot get ready for password_command");
    pid_t pid = fork();
    if (pid == 0)
        become_keeper(ends[1], peer, path);
    int error = errno;
    file_close(&ends[1]);
    if (pid < 0) {
        file_close(&ends[0]);
        return outcome_errno(error, "cannot get ready for password_command");
    }
    keeper->fd = ends[0];
    return outcome_done();
}

struct outcome keeper_ask(const struct keeper *keeper, struct buffer *secret)
{
    struct answer answer;
    char *bytes = NULL;
    memory_wipe_freed();
    buffer_wipe(secret);
    bool good = file_write(keeper->fd, "?", 1) &&
                file_read(keeper->fd, &answer, sizeof answer) == (ssize_t)sizeof answer &&
                answer.length <= MOST_BYTES;
    if (good) {
        bytes = memory_get(answer.length + 1);
        good = file_read(keeper->fd, bytes, answer.length) == (ssize_t)answer.length;
    }
    if (good)
        buffer_append(secret, bytes, answer.length);
    if (bytes) {
        memory_wipe(bytes, answer.length);
        free(bytes);
    }
    return good ? answer.outcome
                : outcome_later("4.3.0", "the process that runs password_command has ended");
}

/*
 * Starts the parts, gathers what they tell, and ends what takes too long. What comes through a pipe
 * may be an intruder's: it is bounded, and parsed as another program's would be.
 */
#include "run/check_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"

enum { AT_ONCE = 64, MOST_BYTES = 256 * 1024 };

struct started {
    pid_t pid; /* 0: not started */
    int fd;    /* -1: it has told all, or nothing can be heard any more */
    int error; /* errno when it could not be started */
    struct buffer told;
};

/* Nothing of the others' stays open here. */
static _Noreturn void become(const struct part *part, int fd, pid_t parent)
{
    struct findings findings = {0};
    struct buffer text = {0};
    log_close();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
        dup2(fd, STDERR_FILENO + 1) < 0)
        _exit(EX_OSERR);
    process_close_from(STDERR_FILENO + 2);
    part->look(part->question, &findings);
    finding_format(&findings, &text);
    bool good = file_write(STDERR_FILENO + 1, buffer_text(&text), text.length);
    finding_free(&findings);
    buffer_free(&text);
    _exit(good ? EX_OK : EX_IOERR);
}

static void start(const struct part *part, struct started *started)
{
    int ends[2];
    pid_t parent = getpid();
    started->told.limit = MOST_BYTES;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        started->error = errno;
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        become(part, ends[1], parent);
    started->error = pid < 0 ? errno : 0;
    file_close(&ends[1]);
    if (pid < 0) {
        file_close(&ends[0]);
        return;
    }
    started->pid = pid;
    started->fd = ends[0];
}

static void hear(struct started *started)
{
    char block[4096];
    ssize_t count = read(started->fd, block, sizeof block);
    if (count > 0)
        buffer_append(&started->told, block, (size_t)count);
    if (count == 0 || (count < 0 && errno != EINTR) || started->told.failed)
        file_close(&started->fd);
}

/* Until every one of them has closed its end, or the time is over. */
static void gather(struct started *all, size_t count, int64_t deadline)
{
    struct pollfd *polled = memory_get((count + 1) * sizeof *polled);
    for (;;) {
        int64_t left = deadline - clock_ms();
        size_t open = 0;
        for (size_t i = 0; i < count; i++) {
            polled[i] = (struct pollfd){.fd = all[i].fd, .events = POLLIN};
            open += all[i].fd >= 0;
        }
        if (!open || left <= 0 || (poll(polled, count, (int)left) < 0 && errno != EINTR))
            break;
        for (size_t i = 0; i < count; i++)
            if (all[i].fd >= 0 && polled[i].revents)
                hear(&all[i]);
    }
    free(polled);
}

static void report(struct part *part, struct started *started)
{
    struct findings *findings = &part->found;
    const char *topic = part->topic, *name = part->name;
    if (!started->pid) {
        finding_add(findings, FINDING_WARNING, topic, "%s could not be looked at: %s", name,
                    started->error ? strerror(started->error) : "there was no time left");
        return;
    }
    bool late = started->fd >= 0;
    if (late || started->told.failed)
        (void)kill(started->pid, SIGKILL);
    file_close(&started->fd);
    int status = process_wait(started->pid);
    bool understood = finding_parse(buffer_text(&started->told), started->told.length, findings);
    if (late) {
        finding_add(findings, FINDING_FAULT, topic, "%s: nothing came of it in all that time",
                    name);
        finding_remedy(findings, "see whether the name servers in /etc/resolv.conf answer, and "
                                 "whether password_command, if there is one, comes to its end");
    } else if (status != EX_OK || !understood) {
        finding_add(findings, FINDING_FAULT, topic,
                    "%s: the process that looked at it ended with status %d", name, status);
    }
}

void parts_look(struct part *parts, size_t count, int64_t deadline)
{
    struct started *all = memory_get((count + 1) * sizeof *all);
    for (size_t i = 0; i < count; i++)
        all[i].fd = -1;
    for (size_t begin = 0; begin < count; begin += AT_ONCE) {
        size_t end = count - begin < AT_ONCE ? count : begin + AT_ONCE;
        for (size_t i = begin; i < end && clock_ms() < deadline; i++)
            start(&parts[i], &all[i]);
        gather(all + begin, end - begin, deadline);
        for (size_t i = begin; i < end; i++) {
            report(&parts[i], &all[i]);
            buffer_free(&all[i].told);
        }
    }
    free(all);
}

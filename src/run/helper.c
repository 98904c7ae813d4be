/*
 * Starts postrider-local, or where nothing is installed its copy without rights, and hears what it
 * has to say. To what an alias names the message is written by a process apart: who leaves the pipe
 * open, and does not read it, keeps only that one waiting.
 */
#include "run/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/text.h"
#include "run/entry.h"

enum { MOST_WORDS = 1024, MOST_OUTPUT = 4096, MOST_ARGUMENTS = 4096 };

enum { INPUT, OUTPUT, WORDS, PIPES };

static void close_all(int ends[PIPES][2])
{
    for (size_t i = 0; i < PIPES; i++) {
        file_close(&ends[i][0]);
        file_close(&ends[i][1]);
    }
}

static void become_helper(const struct helper *helper, int ends[PIPES][2])
{
    char path[4096];
    snprintf(path, sizeof path, "%s/postrider-local", process_folder());
    /* The set-user-ID one is for the queue's user alone; users with a queue of their own have a
     * plain copy. */
    if (access(path, X_OK) < 0)
        snprintf(path, sizeof path, "%s/postrider-mailbox", process_folder());
    size_t count = 0;
    const char **argv = memory_get((MOST_ARGUMENTS + 2) * sizeof *argv);
    argv[count++] = "postrider-local";
    for (size_t i = 0; helper->arguments[i] && count <= MOST_ARGUMENTS; i++)
        argv[count++] = helper->arguments[i];
    if (dup2(ends[INPUT][0], 0) < 0 || dup2(ends[OUTPUT][1], 1) < 0 || dup2(ends[WORDS][1], 2) < 0)
        _exit(EX_OSERR);
    process_close_from(3);
    execv(path, (char *const *)argv);
    dprintf(2, "cannot start %s: %s\n", path, strerror(errno));
    _exit(EX_OSERR);
}

/* Done, unless the message cannot be read: who takes no more of it has his reasons. */
static struct outcome write_message(const struct helper *helper, const struct letter *letter,
                                    size_t index, int fd)
{
    struct output output = {.fd = fd};
    bool whole = entry_put(&output, letter, index, helper->is_entry);
    output_free(&output);
    return whole || output.error == EPIPE ? outcome_done()
                                          : outcome_errno(output.error, "cannot read the message");
}

/* Nothing else of the pipes may stay open here, or their ends would not be seen. */
static void become_writer(const struct helper *helper, const struct letter *letter, size_t index,
                          int ends[PIPES][2])
{
    int fd = ends[INPUT][1];
    ends[INPUT][1] = -1;
    close_all(ends);
    struct outcome outcome = write_message(helper, letter, index, fd);
    _exit(outcome_good(&outcome) ? EX_OK : EX_IOERR);
}

/* More than fits is read as well, and dropped. */
static void hear(int fd, struct buffer *text, size_t limit)
{
    char block[1024];
    ssize_t count;
    while ((count = file_read(fd, block, sizeof block)) > 0) {
        size_t room = limit - text->length;
        buffer_append(text, block, (size_t)count < room ? (size_t)count : room);
    }
}

/* One line, without white space around it. */
static void make_line(struct buffer *text)
{
    struct buffer line = {0};
    char *raw = memory_copy(text->data ? text->data : "", text->length);
    for (size_t i = 0; i < text->length; i++)
        if (raw[i] == '\0')
            raw[i] = ' ';
    text_tame(raw, strlen(raw));
    buffer_append_text(&line, text_trim(raw));
    free(raw);
    buffer_free(text);
    *text = line;
}

static bool open_pipes(int ends[PIPES][2])
{
    bool good = true;
    for (size_t i = 0; i < PIPES; i++)
        ends[i][0] = ends[i][1] = -1;
    for (size_t i = 0; i < PIPES && good; i++)
        good = pipe2(ends[i], O_CLOEXEC) == 0;
    return good;
}

/* writer: the process that writes the message; 0: none. */
static struct outcome follow(struct helper *helper, const struct letter *letter, size_t index,
                             pid_t pid, pid_t writer, int ends[PIPES][2])
{
    file_close(&ends[INPUT][0]);
    file_close(&ends[OUTPUT][1]);
    file_close(&ends[WORDS][1]);
    struct outcome outcome =
        writer ? outcome_done() : write_message(helper, letter, index, ends[INPUT][1]);
    file_close(&ends[INPUT][1]);
    hear(ends[OUTPUT][0], &helper->output, MOST_OUTPUT);
    hear(ends[WORDS][0], &helper->words, MOST_WORDS);
    int signal;
    helper->status = process_wait_for(pid, &signal);
    /* What it was to start may end by a signal as well, and that it says by its status. */
    if (signal)
        buffer_format(&helper->words, " the delivery program was ended by signal %d", signal);
    make_line(&helper->output);
    make_line(&helper->words);
    if (!writer)
        return outcome;
    kill(writer, SIGKILL); /* nobody is left to write to */
    return process_wait(writer) == EX_IOERR
               ? outcome_later("4.3.0", "the message in the queue cannot be read")
               : outcome_done();
}

struct outcome helper_run(struct helper *helper, const struct letter *letter, size_t index)
{
    int ends[PIPES][2];
    struct outcome outcome;
    pid_t pid = -1, writer = -1;
    if (open_pipes(ends))
        writer = helper->apart ? fork() : 0;
    if (helper->apart && writer == 0)
        become_writer(helper, letter, index, ends);
    if (writer >= 0)
        pid = fork();
    if (pid == 0)
        become_helper(helper, ends);
    if (pid > 0) {
        outcome = follow(helper, letter, index, pid, writer, ends);
    } else {
        outcome = outcome_errno(errno, "cannot start the delivery program");
        if (writer > 0) {
            kill(writer, SIGKILL);
            (void)process_wait(writer);
        }
    }
    close_all(ends);
    return outcome;
}

void helper_free(struct helper *helper)
{
    buffer_free(&helper->words);
    buffer_free(&helper->output);
}

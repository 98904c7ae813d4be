/*
 * See setup_test.h. The front door is started anew, and the runner is watched by the dialogue that
 * it shows: nothing here is another way than that of any message.
 */
#include "sendmail/setup_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "queue/runner.h"
#include "setup/edit.h"

enum { MOST_DIALOGUE = 1 << 20 };

/* ---- a child whose standard output is read here ---- */

struct child {
    pid_t pid;
    int output;
};

/* input: its standard input; -1: nothing. The child runs start, which does not come back. */
static bool start_child(struct child *child, int input, void (*start)(const struct setup_test *),
                        const struct setup_test *test)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    fflush(stdout);
    child->pid = fork();
    if (child->pid == 0) {
        if (dup2(ends[1], STDOUT_FILENO) < 0 || (input >= 0 && dup2(input, STDIN_FILENO) < 0))
            _exit(EX_OSERR);
        start(test);
        _exit(EX_OSERR);
    }
    child->output = ends[0];
    close(ends[1]);
    if (child->pid < 0)
        close(ends[0]);
    return child->pid > 0;
}

/* ---- handing in ---- */

static void put_message(const struct setup_test *test, const struct settings *settings,
                        struct buffer *message)
{
    buffer_format(message,
                  "To: %s\nSubject: Test message of postrider setup on %s\n\n"
                  "This machine, %s, can send mail: here is the first one.\n",
                  test->recipient, settings->hostname, settings->hostname);
}

static void become_front_door(const struct setup_test *test)
{
    char path[4096];
    const char *argv[16] = {"sendmail", "-i", "-v", "-odq"};
    size_t count = 4;
    if (test->config) {
        argv[count++] = "-C";
        argv[count++] = test->config;
    }
    if (test->sender) {
        argv[count++] = "-f";
        argv[count++] = test->sender;
    }
    argv[count++] = "--";
    argv[count++] = test->recipient;
    snprintf(path, sizeof path, "%s/postrider", process_folder());
    execv(path, (char *const *)argv);
}

/* "ID is in the queue" */
static bool take_id(const char *text, char id[QUEUE_ID_SIZE])
{
    size_t length = strcspn(text, " ");
    if (length >= QUEUE_ID_SIZE)
        return false;
    memcpy(id, text, length);
    id[length] = '\0';
    return queue_is_id(id);
}

static struct outcome hand_in(struct setup_test *test, const struct settings *settings)
{
    struct buffer message = {0};
    char answer[256] = "";
    struct child child = {-1, -1};
    put_message(test, settings, &message);
    int input = edit_make_file(buffer_text(&message), message.length);
    bool started = input >= 0 && start_child(&child, input, become_front_door, test);
    struct outcome outcome =
        started ? outcome_done() : outcome_errno(errno, "cannot start the front door");
    file_close(&input);
    buffer_free(&message);
    if (!started)
        return outcome;
    ssize_t length = file_read(child.output, answer, sizeof answer - 1);
    close(child.output);
    int status = process_wait(child.pid);
    if (status == EX_OK && length > 0 && take_id(answer, test->id))
        return outcome;
    outcome = outcome_later("4.3.0", "the test message could not be handed in: status %d", status);
    if (status != EX_OK)
        outcome.exit_status = status;
    return outcome;
}

/* ---- watching ---- */

/* What the dialogue has said so far. */
struct watch {
    const struct setup_test *test;
    char host[256];   /* the last one that was connected to */
    char reply[300];  /* its last reply */
    char remark[512]; /* what went wrong since */
    bool sent;        /* the message, to its end */
};

static void become_runner(const struct setup_test *test)
{
    const char *const arguments[] = {"--id", test->id, "--verbose", NULL};
    _exit(runner_run(test->config, arguments, true));
}

static void keep(char *place, size_t size, const char *text)
{
    snprintf(place, size, "%s", text);
    text_tame(place, strlen(place));
}

static void take_reply(struct watch *watch, const char *line)
{
    if (strlen(line) < 4 || line[3] == '-')
        return;
    keep(watch->reply, sizeof watch->reply, line);
    if ((*line == '4' || *line == '5') && !*watch->remark)
        snprintf(watch->remark, sizeof watch->remark, "%.100s said %s", watch->host, watch->reply);
}

static void take_remark(struct watch *watch, const char *line)
{
    static const char connected[] = "connected to ";
    static const char *const usual[] = {"TLS", "message of ", "delivered ", "discarded: "};
    if (text_starts(line, connected)) {
        keep(watch->host, sizeof watch->host, line + strlen(connected));
        watch->host[strcspn(watch->host, ",")] = '\0';
        watch->sent = false;
        watch->remark[0] = '\0';
        return;
    }
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (text_starts(line, usual[i]))
            return;
    keep(watch->remark, sizeof watch->remark, line);
}

static void take_line(struct watch *watch, char *line)
{
    if (watch->test->verbose)
        puts(line);
    if (strlen(line) < 4)
        return;
    const char *text = line + 4;
    bool is_end = strcmp(text, ".") == 0 || (text_starts(text, "BDAT ") && strstr(text, " LAST"));
    switch (line[0]) {
    case '>':
        watch->sent = watch->sent || is_end;
        break;
    case '<':
        if (!text_starts(text, "221")) /* to QUIT */
            take_reply(watch, text);
        break;
    default:
        take_remark(watch, text);
    }
}

static void watch_runner(struct watch *watch, int output)
{
    struct input input = {.fd = output};
    struct buffer line = {.limit = MOST_DIALOGUE};
    while (input_line(&input, &line)) {
        if (line.length && line.data[line.length - 1] == '\n')
            line.data[--line.length] = '\0';
        char *text = memchr(buffer_text(&line), '\0', line.length) ? NULL : line.data;
        if (text && !line.failed)
            take_line(watch, text);
        buffer_clear(&line);
    }
    buffer_free(&line);
    input_free(&input);
}

static bool is_queued(const struct setup_test *test, const struct settings *settings)
{
    struct buffer path = {0};
    struct stat info;
    buffer_format(&path, "%s/spool/%s", settings->queue_directory, test->id);
    bool queued = lstat(buffer_text(&path), &info) == 0;
    buffer_free(&path);
    return queued;
}

static struct outcome conclude(struct setup_test *test, const struct watch *watch, bool queued)
{
    test->delivered = !queued && (watch->sent ? *watch->reply == '2' : !*watch->remark);
    if (test->delivered && watch->sent)
        buffer_format(&test->words, "delivered to %s: %s", watch->host, watch->reply);
    else if (test->delivered)
        buffer_append_text(&test->words, "delivered on this machine");
    else if (queued)
        buffer_format(&test->words,
                      "not delivered yet: %s; it waits in the queue: postrider queue "
                      "show %s",
                      *watch->remark ? watch->remark
                                     : "another queue run has it, or nobody takes it",
                      test->id);
    else
        buffer_format(&test->words, "refused: %s; a report is on its way to its sender",
                      *watch->remark ? watch->remark : watch->reply);
    if (test->delivered)
        return outcome_done();
    return queued ? outcome_later("4.3.0", "the test message waits")
                  : outcome_never("5.0.0", "the test message was refused");
}

struct outcome setup_test_run(struct setup_test *test, const struct settings *settings)
{
    struct watch watch = {.test = test};
    struct child child = {-1, -1};
    struct outcome outcome = hand_in(test, settings);
    if (outcome_good(&outcome) && !start_child(&child, -1, become_runner, test))
        outcome = outcome_errno(errno, "cannot start a queue runner");
    if (!outcome_good(&outcome)) {
        buffer_format(&test->words, "%s", outcome.reason);
        return outcome;
    }
    watch_runner(&watch, child.output);
    close(child.output);
    (void)process_wait(child.pid);
    return conclude(test, &watch, is_queued(test, settings));
}

/*
 * A message as an mbox entry (RFC 4155, lines quoted so that it can be undone), handed to the
 * helper that may write the mailbox. The helper is told the size before, so that it can tell a
 * whole message from one whose sender was killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/process.h"
#include "mail/address.h"
#include "mail/date.h"
#include "run/run.h"

enum { MOST_WORDS = 1024 };

static const char from_line[] = "From ";
static const char return_path[] = "Return-Path:";

/* ---- the text ---- */

struct scribe {
    struct output *output;
    bool in_header;
    bool dropping;                 /* inside a Return-Path field that came with the message */
    char held[sizeof return_path]; /* the beginning of a line, until it is clear what it is */
    size_t held_length;
    size_t quotes; /* '>' at the beginning of a line, counted only */
    bool at_start; /* still deciding about the line */
};

static void put_quotes(struct scribe *scribe)
{
    for (; scribe->quotes; scribe->quotes--)
        output_put(scribe->output, ">", 1);
}

/* The line is what it is: out with what was held back. */
static void decide(struct scribe *scribe)
{
    bool is_from = scribe->held_length == sizeof from_line - 1 &&
                   memcmp(scribe->held, from_line, scribe->held_length) == 0;
    bool is_path = scribe->in_header && scribe->quotes == 0 &&
                   scribe->held_length == sizeof return_path - 1 &&
                   strncasecmp(scribe->held, return_path, scribe->held_length) == 0;
    bool is_fold = scribe->held_length && (scribe->held[0] == ' ' || scribe->held[0] == '\t');
    scribe->dropping = is_path || (scribe->dropping && is_fold);
    if (!scribe->dropping) {
        if (is_from)
            output_put(scribe->output, ">", 1);
        put_quotes(scribe);
        output_put(scribe->output, scribe->held, scribe->held_length);
    }
    scribe->quotes = 0;
    scribe->held_length = 0;
    scribe->at_start = false;
}

/* True while the held bytes could still become a line that needs care. */
static bool is_undecided(const struct scribe *scribe)
{
    size_t length = scribe->held_length;
    if (length < sizeof from_line - 1 && memcmp(scribe->held, from_line, length) == 0)
        return true;
    return scribe->in_header && scribe->quotes == 0 && length < sizeof return_path - 1 &&
           strncasecmp(scribe->held, return_path, length) == 0;
}

static void begin_line(struct scribe *scribe)
{
    scribe->at_start = true;
    scribe->held_length = 0;
    scribe->quotes = 0;
}

static void put_start_byte(struct scribe *scribe, char byte)
{
    if (byte == '>' && scribe->held_length == 0) {
        scribe->quotes++;
        scribe->dropping = false;
        return;
    }
    if (byte == '\n' && scribe->held_length == 0 && scribe->quotes == 0)
        scribe->in_header = scribe->dropping = false;
    scribe->held[scribe->held_length++] = byte;
    if (byte == '\n' || !is_undecided(scribe))
        decide(scribe);
    if (byte == '\n')
        begin_line(scribe);
}

static void put_text(struct scribe *scribe, const char *data, size_t length)
{
    const char *end = data + length;
    while (data < end) {
        if (scribe->at_start) {
            put_start_byte(scribe, *data++);
            continue;
        }
        const char *line_end = memchr(data, '\n', (size_t)(end - data));
        const char *stop = line_end ? line_end + 1 : end;
        if (!scribe->dropping)
            output_put(scribe->output, data, (size_t)(stop - data));
        if (line_end)
            begin_line(scribe);
        data = stop;
    }
}

static void put_head(struct output *output, const struct letter *letter,
                     const struct address *recipient)
{
    struct buffer text = {0};
    char *sender = address_text(&letter->envelope.sender);
    char *to = address_text(recipient);
    bool plain = *sender && !strpbrk(sender, " \t\"");
    buffer_format(&text, "From %s ", plain ? sender : "MAILER-DAEMON");
    date_format_mbox(letter->envelope.arrived, &text);
    buffer_format(&text, "\nX-Postrider-Id: %s\nReturn-Path: <%s>\nDelivered-To: %s\n", letter->id,
                  sender, to);
    output_put(output, text.data, text.length);
    buffer_free(&text);
    free(sender);
    free(to);
}

/* The same bytes each time; false when the message cannot be read, errno in output->error. */
static bool put_message(struct output *output, const struct letter *letter,
                        const struct address *recipient)
{
    put_head(output, letter, recipient);
    struct scribe scribe = {.output = output, .in_header = true};
    begin_line(&scribe);
    char *block = memory_get(FILE_BLOCK);
    off_t at = letter->start;
    ssize_t count = 0;
    while (!output->error && (count = file_read_at(letter->fd, block, FILE_BLOCK, at)) > 0) {
        put_text(&scribe, block, (size_t)count);
        at += count;
    }
    if (!output->error && count < 0)
        output->error = errno;
    if (scribe.at_start && (scribe.held_length || scribe.quotes))
        decide(&scribe);
    output_text(output, "\n");
    free(block);
    return output_flush(output);
}

/* ---- the helper ---- */

static void become_helper(int input, int words, const char *user, const char *folder,
                          const char *size, const char *id)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/postrider-local", process_folder());
    /* The set-user-ID one is for the queue's user alone; users with a queue of their own have a
     * plain copy. */
    if (access(path, X_OK) < 0)
        snprintf(path, sizeof path, "%s/postrider-mailbox", process_folder());
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null < 0 || dup2(input, 0) < 0 || dup2(null, 1) < 0 || dup2(words, 2) < 0)
        _exit(EX_OSERR);
    process_close_from(3);
    execl(path, "postrider-local", "deliver", user, folder, size, id, (char *)NULL);
    dprintf(2, "cannot start %s: %s\n", path, strerror(errno));
    _exit(EX_OSERR);
}

static void read_words(int fd, struct buffer *words)
{
    char block[256];
    ssize_t count;
    while ((count = file_read(fd, block, sizeof block)) > 0)
        buffer_append(words, block, (size_t)count);
}

/* A helper that could not say "never" properly said "later". */
static struct outcome outcome_of(int status, struct buffer *words)
{
    char *text = text_trim((char *)buffer_text(words));
    if (status == EX_OK)
        return outcome_done();
    if (!*text)
        return outcome_later("4.3.0", "the delivery program ended with status %d", status);
    if (status == EX_NOUSER)
        return outcome_never("5.1.1", "%s", text);
    return outcome_later("4.2.0", "%s", text);
}

static struct outcome run_helper(struct run *run, const struct letter *letter, const char *user,
                                 const char *folder, const struct address *recipient,
                                 const char *size, const char *id)
{
    int text[2] = {-1, -1}, words[2] = {-1, -1};
    if (pipe2(text, O_CLOEXEC) < 0)
        return outcome_errno(errno, "cannot start the delivery program");
    if (pipe2(words, O_CLOEXEC) < 0) {
        struct outcome outcome = outcome_errno(errno, "cannot start the delivery program");
        file_close(&text[0]);
        file_close(&text[1]);
        return outcome;
    }
    pid_t pid = fork();
    if (pid == 0)
        become_helper(text[0], words[1], user, folder, size, id);
    int error = errno;
    file_close(&text[0]);
    file_close(&words[1]);
    struct outcome outcome = outcome_errno(error, "cannot start the delivery program");
    if (pid > 0) {
        struct output output = {.fd = text[1]};
        bool whole = put_message(&output, letter, recipient);
        int write_error = output.error;
        output_free(&output);
        file_close(&text[1]);
        struct buffer said = {.limit = MOST_WORDS};
        read_words(words[0], &said);
        int status = process_wait(pid);
        outcome = outcome_of(status, &said);
        /* Killed, or unable to cut off what it wrote: the mailbox may have the message. */
        if (status >= 128 || status == EX_IOERR)
            run->trace.unsaved = run->trace.careful = true;
        if (!whole && outcome_good(&outcome) && write_error != EPIPE)
            outcome = outcome_errno(write_error, "cannot read the message");
        buffer_free(&said);
    }
    file_close(&text[1]);
    file_close(&words[0]);
    return outcome;
}

struct outcome mailbox_deliver(struct run *run, const struct letter *letter, const char *user,
                               const struct address *recipient)
{
    struct outcome outcome = runner_leave_trace(&run->queue, &run->trace);
    if (!outcome_good(&outcome))
        return outcome;
    struct output counter = {.fd = -1, .counting = true};
    bool counted = put_message(&counter, letter, recipient);
    int error = counter.error;
    char size[32];
    snprintf(size, sizeof size, "%llu", (unsigned long long)counter.total);
    output_free(&counter);
    if (!counted)
        return outcome_errno(error, "cannot read message %s", letter->id);
    return run_helper(run, letter, user, run->settings.mailbox_directory, recipient, size,
                      run->trace.careful ? letter->id : NULL);
}

/*
 * See password.h. Read byte by byte, for what stands behind the line is not ours; nothing of a
 * password stays behind in memory, and none reaches a word made here.
 */
#include "listen/password.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "listen/users.h"
#include "net/sasl_text.h"

/* Bytes of a line as it is typed: its prepared form may be shorter. */
enum { LINE_LONGEST = 4 * USERS_PASSWORD_LONGEST };

static volatile sig_atomic_t caught;

static void note_signal(int number)
{
    caught = number;
}

/* The signals that are let through while we wait; NULL: all that are now. */
static const sigset_t *waiting_mask;

static ssize_t read_byte(char *byte)
{
    struct pollfd poller = {.fd = STDIN_FILENO, .events = POLLIN};
    if (ppoll(&poller, 1, NULL, waiting_mask) < 0)
        return -1;
    return read(STDIN_FILENO, byte, 1);
}

/* The line without its end. False: nothing is there, or an error; errno is 0 for an end. */
static bool read_line(struct buffer *line)
{
    char byte;
    bool any = false;
    for (;;) {
        ssize_t count = read_byte(&byte);
        if (count < 0 && errno == EINTR && !caught)
            continue;
        if (count < 0)
            return false;
        any = any || count > 0;
        if (count == 0 || byte == '\n')
            break;
        buffer_append_byte(line, byte);
    }
    memory_wipe(&byte, sizeof byte);
    errno = 0;
    return any;
}

/* So large at once that no part of a password is left behind by growing. */
static void reserve(struct buffer *line)
{
    *line = (struct buffer){.capacity = LINE_LONGEST + 2, .limit = LINE_LONGEST};
    line->data = memory_get(line->capacity);
}

static struct outcome take_line(struct buffer *line)
{
    if (!read_line(line))
        return errno ? outcome_errno(errno, "cannot read the password")
                     : outcome_refuse(EX_NOINPUT, "there is no password on standard input");
    return outcome_done();
}

static struct outcome prepare(struct buffer *line, bool is_new, struct buffer *prepared)
{
    if (line->length && line->data[line->length - 1] == '\r')
        line->data[--line->length] = '\0';
    if (line->failed)
        return outcome_refuse(EX_DATAERR, "the password has more than %d bytes",
                              USERS_PASSWORD_LONGEST);
    if (line->length == 0)
        return outcome_refuse(EX_DATAERR, "the password is empty");
    if (memchr(line->data, '\0', line->length) ||
        !sasl_prepare(buffer_text(line), is_new, prepared))
        return outcome_refuse(EX_DATAERR, "the password holds what none may hold (RFC 4013): a "
                                          "control character, what is no UTF-8, or a character "
                                          "younger than Unicode 3.2");
    if (prepared->length == 0)
        return outcome_refuse(EX_DATAERR, "the password is empty");
    if (prepared->length > USERS_PASSWORD_LONGEST)
        return outcome_refuse(EX_DATAERR, "the password has more than %d bytes",
                              USERS_PASSWORD_LONGEST);
    return outcome_done();
}

/* ---- terminal ---- */

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

static void ask(const char *question)
{
    (void)file_write(STDERR_FILENO, question, strlen(question));
}

static struct outcome ask_both(bool is_new, struct buffer *line)
{
    ask("Password: ");
    struct outcome outcome = take_line(line);
    if (!outcome_good(&outcome) || !is_new)
        return outcome;
    struct buffer again;
    reserve(&again);
    ask("Again: ");
    outcome = take_line(&again);
    if (outcome_good(&outcome) && strcmp(buffer_text(line), buffer_text(&again)) != 0)
        outcome = outcome_refuse(EX_DATAERR, "these are two passwords: nothing is changed");
    buffer_wipe(&again);
    return outcome;
}

/* Whatever ends it, the terminal shows again what is typed. Signals come while we wait alone, so
 * that none is lost just before. */
static struct outcome ask_hidden(bool is_new, struct buffer *line)
{
    struct termios shown, hidden;
    struct sigaction note = {.sa_handler = note_signal}, before[SIGNALS];
    if (tcgetattr(STDIN_FILENO, &shown) < 0)
        return outcome_errno(errno, "cannot set the terminal");
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    hidden.c_lflag |= ECHONL;
    sigemptyset(&note.sa_mask);
    sigset_t held, mask;
    sigemptyset(&held);
    for (size_t i = 0; i < SIGNALS; i++) {
        sigaddset(&held, signals[i]);
        sigaction(signals[i], &note, &before[i]);
    }
    sigprocmask(SIG_BLOCK, &held, &mask);
    waiting_mask = &mask;
    struct outcome outcome = outcome_done();
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) < 0)
        outcome = outcome_errno(errno, "cannot set the terminal");
    else
        outcome = ask_both(is_new, line);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    waiting_mask = NULL;
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (caught) {
        buffer_wipe(line);
        raise(caught);
        outcome = outcome_refuse(EX_NOINPUT, "interrupted: nothing is changed");
    }
    return outcome;
}

struct outcome password_read(bool is_new, struct buffer *prepared)
{
    struct buffer line;
    reserve(&line);
    struct outcome outcome = isatty(STDIN_FILENO) ? ask_hidden(is_new, &line) : take_line(&line);
    if (outcome_good(&outcome))
        outcome = prepare(&line, is_new, prepared);
    buffer_wipe(&line);
    return outcome;
}

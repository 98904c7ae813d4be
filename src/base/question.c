/*
 * See question.h. While the echo is off, signals come only while we wait, so that none is lost just
 * before, and the terminal is set back before one of them has its way.
 */
#include "base/question.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

static volatile sig_atomic_t caught;

static void note_signal(int number)
{
    caught = number;
}

bool question_may_be_asked(void)
{
    return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

/* mask: the signals that are held back while we wait; NULL: as they are now. */
static ssize_t read_byte(char *byte, const sigset_t *mask)
{
    struct pollfd poller = {.fd = STDIN_FILENO, .events = POLLIN};
    if (ppoll(&poller, 1, NULL, mask) < 0)
        return -1;
    return read(STDIN_FILENO, byte, 1);
}

/* The line without its end. */
static struct outcome read_line(struct buffer *line, const sigset_t *mask)
{
    char byte;
    bool any = false;
    for (;;) {
        ssize_t count = read_byte(&byte, mask);
        if (count < 0 && errno == EINTR && !caught)
            continue;
        if (count < 0)
            return outcome_errno(errno, "cannot read standard input");
        any = any || count > 0;
        if (count == 0 || byte == '\n')
            break;
        buffer_append_byte(line, byte);
    }
    memory_wipe(&byte, sizeof byte);
    if (!any)
        return outcome_refuse(EX_NOINPUT, "there is nothing on standard input");
    if (line->length && line->data[line->length - 1] == '\r')
        line->data[--line->length] = '\0';
    return outcome_done();
}

static void show(const char *question)
{
    (void)file_write(STDERR_FILENO, question, strlen(question));
}

struct outcome question_ask(const char *question, struct buffer *answer)
{
    if (question)
        show(question);
    return read_line(answer, NULL);
}

/* ---- secrets ---- */

static void reserve(struct buffer *line, size_t most)
{
    *line = (struct buffer){.capacity = most + 2, .limit = most};
    line->data = memory_get(line->capacity);
}

static struct outcome ask_all(const char *const questions[], struct buffer answers[],
                              const sigset_t *mask)
{
    struct outcome outcome = outcome_done();
    for (size_t i = 0; questions[i] && outcome_good(&outcome); i++) {
        show(questions[i]);
        outcome = read_line(&answers[i], mask);
    }
    return outcome;
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

/* Whatever ends it, the terminal shows again what is typed. */
static struct outcome ask_without_echo(const char *const questions[], struct buffer answers[])
{
    struct termios shown, hidden;
    struct sigaction note = {.sa_handler = note_signal}, before[SIGNALS];
    sigset_t held, mask;
    if (tcgetattr(STDIN_FILENO, &shown) < 0)
        return outcome_errno(errno, "cannot set the terminal");
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    hidden.c_lflag |= ECHONL;
    sigemptyset(&note.sa_mask);
    sigemptyset(&held);
    for (size_t i = 0; i < SIGNALS; i++) {
        sigaddset(&held, signals[i]);
        sigaction(signals[i], &note, &before[i]);
    }
    sigprocmask(SIG_BLOCK, &held, &mask);
    struct outcome outcome;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) < 0)
        outcome = outcome_errno(errno, "cannot set the terminal");
    else
        outcome = ask_all(questions, answers, &mask);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (caught) {
        for (size_t i = 0; questions[i]; i++)
            buffer_wipe(&answers[i]);
        raise(caught);
        outcome = outcome_refuse(EX_NOINPUT, "interrupted: nothing is changed");
    }
    return outcome;
}

struct outcome question_ask_hidden(const char *const questions[], struct buffer answers[],
                                   size_t most)
{
    for (size_t i = 0; questions[i]; i++)
        reserve(&answers[i], most);
    if (isatty(STDIN_FILENO))
        return ask_without_echo(questions, answers);
    return read_line(&answers[0], NULL);
}

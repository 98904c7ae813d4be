/*
 * See password.h. Nothing of a password stays behind in memory, and none reaches a word made here.
 */
#include "listen/password.h"

#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/question.h"
#include "listen/users.h"
#include "net/sasl_text.h"

/* Bytes of a line as it is typed: its prepared form may be shorter. */
enum { LINE_LONGEST = 4 * USERS_PASSWORD_LONGEST };

static struct outcome prepare(struct buffer *line, bool is_new, struct buffer *prepared)
{
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

<<<<<<< Updated upstream
=======
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
    struct outcome outcome = tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0
                                 ? ask_both(is_new, line)
                                 : outcome_errno(errno, "cannot set the terminal");
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

>>>>>>> Stashed changes
struct outcome password_read(bool is_new, struct buffer *prepared)
{
    bool twice = is_new && isatty(STDIN_FILENO);
    const char *const questions[] = {"Password: ", twice ? "Again: " : NULL, NULL};
    struct buffer lines[2] = {{0}};
    struct outcome outcome = question_ask_hidden(questions, lines, LINE_LONGEST);
    if (outcome.exit_status == EX_NOINPUT && !isatty(STDIN_FILENO))
        outcome = outcome_refuse(EX_NOINPUT, "there is no password on standard input");
    if (outcome_good(&outcome) && twice &&
        strcmp(buffer_text(&lines[0]), buffer_text(&lines[1])) != 0)
        outcome = outcome_refuse(EX_DATAERR, "these are two passwords: nothing is changed");
    if (outcome_good(&outcome))
        outcome = prepare(&lines[0], is_new, prepared);
    for (size_t i = 0; i < 2; i++)
        buffer_wipe(&lines[i]);
    return outcome;
}

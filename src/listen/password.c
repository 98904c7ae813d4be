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

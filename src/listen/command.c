/*
 * Command lines. Knows their grammar and the words for what is wrong with them; must never know a
 * session's state, nor whether an address is one that we take. Nothing that a client wrote gets
 * into the words but a parameter's name, which is letters and digits then.
 */
#include "listen/command.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/memory.h"
#include "base/text.h"
#include "listen/path.h"
#include "mail/scanner.h"

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

bool command_take_line(char *line, size_t *length, const char **why)
{
    size_t end = *length;
    if (end < 2 || line[end - 2] != '\r' || line[end - 1] != '\n') {
        *why = "line that does not end in CR LF";
        return false;
    }
    end -= 2;
    for (size_t i = 0; i < end; i++)
        if (scan_is_control(line[i])) {
            *why = line[i] == '\r' || line[i] == '\n' ? "line with a bare CR or LF in it"
                                                      : "line with a control character in it";
            return false;
        }
    line[end] = '\0';
    *length = end;
    return true;
}

void command_part(char *line, char **verb, char **argument)
{
    size_t length = strlen(line);
    while (length && line[length - 1] == ' ')
        line[--length] = '\0';
    *verb = line;
    line += strcspn(line, " ");
    while (*line == ' ')
        *line++ = '\0';
    *argument = line;
}

bool command_parse_domain(const char *argument, char **name)
{
    size_t length = strlen(argument);
    *name = NULL;
    if (length == 0 || length > COMMAND_NAME_LONGEST || strchr(argument, ' '))
        return false;
    *name = memory_copy(argument, length);
    for (char *c = *name; *c; c++)
        if (!strchr(letters, *c) && !strchr("-._:[]", *c))
            *c = '?';
    return true;
}

bool command_parse_bdat(const char *argument, uint64_t *size, bool *last)
{
    size_t digits = strcspn(argument, " ");
    if (digits > 20)
        return false;
    char number[21] = {0};
    memcpy(number, argument, digits);
    const char *rest = argument + digits;
    rest += strspn(rest, " ");
    *last = text_equal(rest, "LAST");
    return (*last || !*rest) && parameters_parse_octets(number, size);
}

unsigned command_code(const struct outcome *outcome)
{
    if (strcmp(outcome->status, "5.6.7") == 0)
        return 553;
    /* "5.5.4" alone means two things: EX_USAGE, if what stands there is wrong. */
    return strcmp(outcome->status, "5.5.4") == 0 && outcome->exit_status != EX_USAGE ? 555 : 501;
}

/* --- MAIL and RCPT --- */

/* "FROM:<path>" or "TO:<path>", then the end or a space. The path's address is the caller's. */
static struct outcome take_path(const char **argument, const char *key, const char *status,
                                struct path *path)
{
    *path = (struct path){0};
    const char *text = *argument, *why;
    if (!text_starts(text, key))
        return outcome_never("5.5.2", "%s<address> expected", key);
    text += strlen(key);
    /* Not in the grammar, but common. */
    text += strspn(text, " ");
    if (!path_parse(text, path, &why))
        return outcome_never(status, "bad address: %s", why);
    text += path->length;
    if (*text && *text != ' ')
        return outcome_never(status, "bad address: stray characters behind '>'");
    *argument = text;
    return outcome_done();
}

static struct outcome refuse_utf8(void)
{
    return outcome_never("5.6.7", "address that needs SMTPUTF8 without it");
}

struct outcome command_parse_mail(const char *argument, unsigned allow, struct mail_command *mail)
{
    *mail = (struct mail_command){0};
    struct path path;
    struct outcome outcome = take_path(&argument, "FROM:", "5.1.7", &path);
    mail->sender = path.address;
    if (outcome_good(&outcome) && !address_is_null(&mail->sender) && !mail->sender.domain &&
        !(allow & ALLOW_BARE))
        outcome = outcome_never("5.1.7", "bad address: no domain");
    if (outcome_good(&outcome))
        outcome = parameters_parse_mail(argument, allow, mail);
    if (outcome_good(&outcome) && path.utf8 && !mail->smtputf8)
        outcome = refuse_utf8();
    if (!outcome_good(&outcome))
        command_free_mail(mail);
    return outcome;
}

void command_free_mail(struct mail_command *mail)
{
    address_free(&mail->sender);
    free(mail->envid);
    *mail = (struct mail_command){0};
}

static const char *recipient_fault(const struct address *recipient, unsigned allow)
{
    if (address_is_null(recipient))
        return "bad address: empty";
    if (!recipient->domain && !(allow & ALLOW_BARE) && !text_equal(recipient->local, "postmaster"))
        return "bad address: no domain";
    return NULL;
}

struct outcome command_parse_rcpt(const char *argument, unsigned allow, struct rcpt_command *rcpt)
{
    *rcpt = (struct rcpt_command){0};
    struct path path;
    struct outcome outcome = take_path(&argument, "TO:", "5.1.3", &path);
    rcpt->recipient = path.address;
    const char *fault = outcome_good(&outcome) ? recipient_fault(&rcpt->recipient, allow) : NULL;
    if (fault)
        outcome = outcome_never("5.1.3", "%s", fault);
    if (outcome_good(&outcome) && path.utf8 && !(allow & ALLOW_UTF8))
        outcome = refuse_utf8();
    if (outcome_good(&outcome))
        outcome = parameters_parse_rcpt(argument, allow, rcpt);
    if (!outcome_good(&outcome))
        command_free_rcpt(rcpt);
    return outcome;
}

void command_free_rcpt(struct rcpt_command *rcpt)
{
    address_free(&rcpt->recipient);
    free(rcpt->orcpt);
    *rcpt = (struct rcpt_command){0};
}

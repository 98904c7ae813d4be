/*
 * Command lines. Knows their grammar and the words for what is wrong with them; must never know a
 * session's state, nor whether an address is one that we take. Two tables say which parameters
 * there are. Nothing that a client wrote gets into the words but a parameter's name, which is
 * letters and digits then.
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

/* 1*20DIGIT; what no number holds is the largest one, which is over every limit. */
static bool parse_octets(const char *text, uint64_t *octets)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 20 || text[digits])
        return false;
    if (!text_to_number(text, 0, UINT64_MAX, octets))
        *octets = UINT64_MAX;
    return true;
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
    return (*last || !*rest) && parse_octets(number, size);
}

unsigned command_code(const struct outcome *outcome)
{
    if (strcmp(outcome->status, "5.6.7") == 0)
        return 553;
    /* "5.5.4" alone means two things: EX_USAGE, if what stands there is wrong. */
    return strcmp(outcome->status, "5.5.4") == 0 && outcome->exit_status != EX_USAGE ? 555 : 501;
}

/* --- Parameters --- */

/* Keeps what a parameter says; value is NULL when no '=' follows the name. False: it is wrong. */
struct parameter {
    const char *name;
    bool (*take)(const char *value, unsigned allow, void *command);
};

static bool take_size(const char *value, unsigned allow, void *command)
{
    (void)allow;
    struct mail_command *mail = command;
    mail->has_size = true;
    return value && parse_octets(value, &mail->size);
}

static bool take_body(const char *value, unsigned allow, void *command)
{
    (void)allow;
    struct mail_command *mail = command;
    if (!value)
        return false;
    if (text_equal(value, "7BIT"))
        mail->body = BODY_7BIT;
    else if (text_equal(value, "8BITMIME"))
        mail->body = BODY_8BITMIME;
    return mail->body != BODY_UNSAID;
}

static bool take_smtputf8(const char *value, unsigned allow, void *command)
{
    (void)allow;
    struct mail_command *mail = command;
    mail->smtputf8 = true;
    return !value;
}

static bool take_ret(const char *value, unsigned allow, void *command)
{
    (void)allow;
    struct mail_command *mail = command;
    if (!value)
        return false;
    if (text_equal(value, "FULL"))
        mail->ret = RETURN_FULL;
    else if (text_equal(value, "HDRS"))
        mail->ret = RETURN_HEADERS;
    return mail->ret != RETURN_UNSAID;
}

/* Characters of xtext (RFC 3461 4.4 and 4.2). */
enum { ENVID_LONGEST = 100, ORCPT_LONGEST = 500 };

static bool take_envid(const char *value, unsigned allow, void *command)
{
    (void)allow;
    struct mail_command *mail = command;
    struct buffer plain = {0};
    bool good = value && *value && strlen(value) <= ENVID_LONGEST && xtext_parse(value, &plain);
    if (good)
        mail->envid = buffer_take(&plain);
    buffer_free(&plain);
    return good;
}

static bool take_auth(const char *value, unsigned allow, void *command)
{
    (void)allow, (void)command;
    struct buffer plain = {0};
    bool good = value && *value && xtext_parse(value, &plain);
    buffer_free(&plain);
    return good;
}

static bool take_notify(const char *value, unsigned allow, void *command)
{
    (void)allow;
    struct rcpt_command *rcpt = command;
    return value && notify_parse(value, &rcpt->notify);
}

/* "utf-8;" and an address in UTF-8 as it is (RFC 6533 3, utf-8-addr-unitext). */
static bool take_wide_orcpt(const char *value, size_t type, struct buffer *plain)
{
    if (!text_starts(value, "utf-8;") || !text_is_utf8(value, strlen(value)))
        return false;
    for (const char *c = value + type; *c; c++)
        if ((unsigned char)*c == 0xC2 && (unsigned char)c[1] < 0xA0)
            return false;
    buffer_append_text(plain, value);
    return true;
}

static bool take_orcpt(const char *value, unsigned allow, void *command)
{
    struct rcpt_command *rcpt = command;
    if (!value || strlen(value) > ORCPT_LONGEST)
        return false;
    size_t type = strspn(value, letters);
    while (value[type] == '-' || value[type] == '_')
        type += 1 + strspn(value + type + 1, letters);
    if (type == 0 || value[type] != ';' || !value[type + 1])
        return false;
    struct buffer plain = {0};
    bool good = text_is_ascii(value) ? xtext_parse(value, &plain)
                                     : allow & ALLOW_UTF8 && take_wide_orcpt(value, type, &plain);
    if (good)
        rcpt->orcpt = buffer_take(&plain);
    buffer_free(&plain);
    return good;
}

static const struct parameter mail_parameters[] = {
    {"SIZE", take_size}, {"BODY", take_body},   {"SMTPUTF8", take_smtputf8},
    {"RET", take_ret},   {"ENVID", take_envid}, {"AUTH", take_auth},
};
static const struct parameter rcpt_parameters[] = {
    {"NOTIFY", take_notify},
    {"ORCPT", take_orcpt},
};

/* The parameters of one command as they are read. */
struct parameters {
    const struct parameter *known;
    size_t count;
    unsigned seen; /* a bit for each of the known ones */
    unsigned allow;
    void *command;
};

/* The word is the parameter's own copy. */
static struct outcome take_parameter(struct parameters *parameters, char *word)
{
    char *value = strchr(word, '=');
    if (value)
        *value++ = '\0';
    size_t name = strspn(word, letters);
    while (name && word[name] == '-')
        name += 1 + strspn(word + name + 1, letters);
    if (name == 0 || word[name])
        return outcome_refuse(EX_USAGE, "not a parameter");
    size_t i = 0;
    while (i < parameters->count && !text_equal(word, parameters->known[i].name))
        i++;
    if (i == parameters->count)
        return outcome_never("5.5.4", "unknown parameter %.40s", word);
    if (parameters->seen & 1U << i)
        return outcome_refuse(EX_USAGE, "parameter %s given twice", parameters->known[i].name);
    parameters->seen |= 1U << i;
    if (!parameters->known[i].take(value, parameters->allow, parameters->command))
        return outcome_refuse(EX_USAGE, "wrong value of parameter %s", parameters->known[i].name);
    return outcome_done();
}

static struct outcome take_parameters(struct parameters *parameters, const char *text)
{
    struct outcome outcome = outcome_done();
    while (outcome_good(&outcome) && *(text += strspn(text, " "))) {
        size_t length = strcspn(text, " ");
        char *word = memory_copy(text, length);
        outcome = take_parameter(parameters, word);
        free(word);
        text += length;
    }
    return outcome;
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
    struct parameters parameters = {
        .known = mail_parameters,
        .count = sizeof mail_parameters / sizeof mail_parameters[0],
        .allow = allow,
        .command = mail,
    };
    if (outcome_good(&outcome))
        outcome = take_parameters(&parameters, argument);
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
    struct parameters parameters = {
        .known = rcpt_parameters,
        .count = sizeof rcpt_parameters / sizeof rcpt_parameters[0],
        .allow = allow,
        .command = rcpt,
    };
    if (outcome_good(&outcome))
        outcome = take_parameters(&parameters, argument);
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

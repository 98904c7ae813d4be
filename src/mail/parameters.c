/* See parameters.h. Two tables say which parameters there are. */
#include "mail/parameters.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/memory.h"
#include "base/text.h"

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

bool parameters_parse_octets(const char *text, uint64_t *octets)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 20 || text[digits])
        return false;
    if (!text_to_number(text, 0, UINT64_MAX, octets))
        *octets = UINT64_MAX;
    return true;
}

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
    return value && parameters_parse_octets(value, &mail->size);
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

struct outcome parameters_parse_mail(const char *text, unsigned allow, struct mail_command *mail)
{
    struct parameters parameters = {
        .known = mail_parameters,
        .count = sizeof mail_parameters / sizeof mail_parameters[0],
        .allow = allow,
        .command = mail,
    };
    return take_parameters(&parameters, text);
}

struct outcome parameters_parse_rcpt(const char *text, unsigned allow, struct rcpt_command *rcpt)
{
    struct parameters parameters = {
        .known = rcpt_parameters,
        .count = sizeof rcpt_parameters / sizeof rcpt_parameters[0],
        .allow = allow,
        .command = rcpt,
    };
    return take_parameters(&parameters, text);
}

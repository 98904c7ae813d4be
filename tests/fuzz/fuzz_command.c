/* A line from a client: what is taken of it is clean, and lasts. */
#include <unistd.h>

#include "fuzz.h"
#include "listen/command.h"

static void must_last_xtext(const char *plain)
{
    struct buffer text = {0}, again = {0};
    must_be_clean(plain);
    xtext_format(plain, &text);
    must(text_is_ascii(buffer_text(&text)) && xtext_parse(buffer_text(&text), &again));
    must(strcmp(buffer_text(&again), plain) == 0);
    buffer_free(&text);
    buffer_free(&again);
}

static void must_be_refused(const struct outcome *outcome)
{
    must(outcome->result == NEVER && outcome->status[0] == '5' && outcome->reason[0]);
    unsigned code = command_code(outcome);
    must(code == 501 || code == 553 || code == 555);
    must_be_clean(outcome->reason);
    must(text_is_ascii(outcome->reason));
}

static void try_mail(const char *argument, unsigned allow)
{
    struct mail_command mail;
    struct outcome outcome = command_parse_mail(argument, allow, &mail);
    if (!outcome_good(&outcome)) {
        must_be_refused(&outcome);
        return;
    }
    must_last(&mail.sender);
    must(address_is_null(&mail.sender) || mail.sender.domain || allow & ALLOW_BARE);
    must(!address_needs_smtputf8(&mail.sender) || mail.smtputf8);
    if (mail.envid)
        must_last_xtext(mail.envid);
    command_free_mail(&mail);
}

static void try_rcpt(const char *argument, unsigned allow)
{
    struct rcpt_command rcpt;
    struct outcome outcome = command_parse_rcpt(argument, allow, &rcpt);
    if (!outcome_good(&outcome)) {
        must_be_refused(&outcome);
        return;
    }
    must_last(&rcpt.recipient);
    must(!address_is_null(&rcpt.recipient));
    must(rcpt.recipient.domain || allow & ALLOW_BARE ||
         text_equal(rcpt.recipient.local, "postmaster"));
    must(!address_needs_smtputf8(&rcpt.recipient) || allow & ALLOW_UTF8);
    if (rcpt.orcpt)
        must_last_xtext(rcpt.orcpt);
    command_free_rcpt(&rcpt);
}

static void try_name(const char *argument)
{
    char *name;
    if (!command_parse_domain(argument, &name))
        return;
    must(*name && strlen(name) <= COMMAND_NAME_LONGEST && text_is_ascii(name));
    must(!strpbrk(name, " ()<>\"\\,;@%"));
    must_be_clean(name);
    free(name);
}

/* The first byte: what the client may write. The rest: the line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned allow = *data & (ALLOW_BARE | ALLOW_UTF8);
    size_t length = size - 1;
    char *line = fuzz_text(data + 1, length), *verb, *argument;
    const char *why;
    if (command_take_line(line, &length, &why)) {
        must(strlen(line) == length && !memchr(line, '\r', length) && !memchr(line, '\n', length));
        command_part(line, &verb, &argument);
        must(!strchr(verb, ' ') && *argument != ' ');
        uint64_t chunk;
        bool last;
        if (command_parse_bdat(argument, &chunk, &last))
            must(*argument >= '0' && *argument <= '9');
        try_mail(argument, allow);
        try_rcpt(argument, allow);
        try_name(argument);
    }
    free(line);
    return 0;
}

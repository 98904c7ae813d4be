/*
 * Part of postrider setup: passwords that the other program has elsewhere than in its settings, in
 * a key ring or in somebody's head.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/question.h"
#include "base/terminal.h"
#include "sendmail/setup_parts.h"
#include "setup/account.h"
#include "setup/import_note.h"

static const char section[] = "smarthost";

static bool is_given(const struct import *import, const char *name)
{
    for (size_t i = 0; i < import->credentials.count; i++)
        if (strcmp(import->credentials.items[i].name, name) == 0)
            return true;
    return taken_value(import, section, name, "password_command") != NULL;
}

static bool lacks_password(const struct setup *setup, const char *name, const char *host)
{
    const struct import *import = &setup->import;
    const char *user = taken_value(import, section, name, "user");
    const char *auth = taken_value(import, section, name, "auth");
    bool signs_in =
        user && *user && !(auth && (strcmp(auth, "off") == 0 || strcmp(auth, "external") == 0));
    bool stays = account_is_the_same(&setup->config.before, name, host, user) &&
                 password_is_there(&setup->credentials.before, name);
    return signs_in && !is_given(import, name) && !stays;
}

/* An empty answer leaves it to be written into credentials.conf by hand. */
static struct outcome ask_password(struct import *import, const char *name, const char *host)
{
    char *user = terminal_text(taken_value(import, section, name, "user"));
    char *where = terminal_text(host);
    struct buffer question = {0}, password = {0};
    buffer_format(&question, "Password of %s at %s (empty: none yet): ", user, where);
    const char *const questions[] = {buffer_text(&question), NULL};
    struct outcome outcome = question_ask_hidden(questions, &password, PASSWORD_LONGEST);
    if (outcome_good(&outcome) && password.length)
        outcome = password_check(&password);
    if (outcome_good(&outcome) && password.length)
        (void)take_password(import, NOTE_NONE, name, buffer_text(&password));
    buffer_wipe(&password);
    buffer_free(&question);
    free(where);
    free(user);
    return outcome;
}

struct outcome setup_ask_passwords(struct setup *setup)
{
    struct import *import = &setup->import;
    struct outcome outcome = outcome_done();
    for (size_t i = 0; i < import->settings.count && outcome_good(&outcome); i++) {
        const struct import_value *value = &import->settings.items[i];
        if (text_equal(value->section, section) && strcmp(value->key, "host") == 0 &&
            lacks_password(setup, value->name, value->value))
            outcome = ask_password(import, value->name, value->value);
    }
    return outcome;
}
